/* libjpeg reports errors by longjmp, which must not cross a Rust frame. So every call into it is made here, behind
 * a setjmp, and comes back as a status. Nothing is printed: libjpeg's own handlers would write to stderr or exit. */
#include "shim.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jerror.h>
#include <jpeglib.h>

/* What a decoder and an encoder share; `error` comes first so that libjpeg's pointer to it is a pointer to this. */
struct guard {
  struct jpeg_error_mgr error;
  jmp_buf jump;
  struct jpeg_progress_mgr progress;
  int64_t deadline;
  uint32_t max_scans;
  int status;
  struct px_damage damage;
  char message[JMSG_LENGTH_MAX];
};

struct px_decoder {
  struct guard guard;
  struct jpeg_decompress_struct jpeg;
};

struct sink {
  struct jpeg_destination_mgr manager;
  uint8_t *bytes;
  size_t capacity;
  size_t max_bytes;
};

struct px_encoder {
  struct guard guard;
  struct jpeg_compress_struct jpeg;
  struct sink sink;
};

static int64_t now(void) {
  struct timespec t;
  if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) return INT64_MAX;
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct guard *guard_of(j_common_ptr jpeg) { return (struct guard *)jpeg->err; }

static void stop(struct guard *g, int status) {
  g->status = status;
  longjmp(g->jump, 1);
}

static void on_error(j_common_ptr jpeg) {
  struct guard *g = guard_of(jpeg);
  (*jpeg->err->format_message)(jpeg, g->message);
  stop(g, jpeg->err->msg_code == JERR_OUT_OF_MEMORY ? PX_NO_MEMORY : PX_BROKEN);
}

/* Rows that were whole when damage was met. A later scan of a file with several only refines what is there. */
static uint32_t intact_lines(j_decompress_ptr d) {
  uint64_t lines;
  if (d->input_scan_number > 1) return d->image_height;
  if (d->input_scan_number == 0 || d->total_iMCU_rows == 0) return 0;
  lines = (uint64_t)d->input_iMCU_row * d->image_height / d->total_iMCU_rows;
  return lines > d->image_height ? d->image_height : (uint32_t)lines;
}

static void on_message(j_common_ptr jpeg, int level) {
  struct guard *g = guard_of(jpeg);
  int code = jpeg->err->msg_code;
  if (level >= 0 || !jpeg->is_decompressor) return;
  /* These speak of headers, or of bytes between segments; the pixels are as good as ever. */
  if (code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR || code == JWRN_EXTRANEOUS_DATA) return;
  if (g->damage.warnings == 0) {
    (*jpeg->err->format_message)(jpeg, g->message);
    g->damage.lines = intact_lines((j_decompress_ptr)jpeg);
  }
  if (code == JWRN_JPEG_EOF) g->damage.truncated = 1;
  if (g->damage.warnings < UINT32_MAX) g->damage.warnings++;
}

static void print_nothing(j_common_ptr jpeg) { (void)jpeg; }

/* Called a few times per row of blocks, also while all scans of a progressive file are read in one go. */
static void on_progress(j_common_ptr jpeg) {
  struct guard *g = guard_of(jpeg);
  if (jpeg->is_decompressor && (uint32_t)((j_decompress_ptr)jpeg)->input_scan_number > g->max_scans) {
    stop(g, PX_TOO_MANY_SCANS);
  }
  if (now() >= g->deadline) stop(g, PX_TIMED_OUT);
}

static struct jpeg_error_mgr *guard_init(struct guard *g, int64_t time_left) {
  int64_t start = now();
  jpeg_std_error(&g->error);
  g->error.error_exit = on_error;
  g->error.emit_message = on_message;
  g->error.output_message = print_nothing;
  g->progress.progress_monitor = on_progress;
  g->deadline = time_left > INT64_MAX - start ? INT64_MAX : start + time_left;
  g->max_scans = UINT32_MAX;
  return &g->error;
}

static int decoder_open(px_decoder *d, const uint8_t *bytes, size_t len) {
  if (setjmp(d->guard.jump)) return d->guard.status;
  jpeg_create_decompress(&d->jpeg);
  d->jpeg.progress = &d->guard.progress;
  /* An empty input is an error that the first call reports, not this one. */
  if (len > 0) jpeg_mem_src(&d->jpeg, bytes, (unsigned long)len);
  return PX_OK;
}

px_decoder *px_decoder_new(const uint8_t *bytes, size_t len, int64_t time_left, uint32_t max_scans) {
  px_decoder *d = calloc(1, sizeof *d);
  if (d == NULL) return NULL;
  d->jpeg.err = guard_init(&d->guard, time_left);
  d->guard.max_scans = max_scans;
  if (decoder_open(d, bytes, len) == PX_OK) return d;
  px_decoder_free(d);
  return NULL;
}

static uint32_t channels_out(J_COLOR_SPACE space) {
  switch (space) {
    case JCS_GRAYSCALE: return PX_GRAY;
    case JCS_YCbCr:
    case JCS_RGB: return PX_RGB;
    case JCS_CMYK:
    case JCS_YCCK: return PX_CMYK;
    default: return 0;
  }
}

int px_decoder_header(px_decoder *d, struct px_header *out) {
  if (setjmp(d->guard.jump)) return d->guard.status;
  if (d->jpeg.src == NULL) ERREXIT(&d->jpeg, JERR_INPUT_EMPTY);
  if (jpeg_read_header(&d->jpeg, TRUE) != JPEG_HEADER_OK) ERREXIT(&d->jpeg, JERR_NO_IMAGE);
  out->width = d->jpeg.image_width;
  out->height = d->jpeg.image_height;
  out->components = (uint32_t)d->jpeg.num_components;
  out->precision = (uint32_t)d->jpeg.data_precision;
  out->colour = channels_out(d->jpeg.jpeg_color_space);
  out->adobe = d->jpeg.saw_Adobe_marker != 0;
  return PX_OK;
}

int px_decoder_start(px_decoder *d, uint32_t denominator, uint32_t smooth_blocks, uint32_t *width,
                     uint32_t *height) {
  if (setjmp(d->guard.jump)) return d->guard.status;
  switch (channels_out(d->jpeg.jpeg_color_space)) {
    case PX_GRAY: d->jpeg.out_color_space = JCS_GRAYSCALE; break;
    case PX_RGB: d->jpeg.out_color_space = JCS_RGB; break;
    default: d->jpeg.out_color_space = JCS_CMYK; break;
  }
  d->jpeg.scale_num = 1;
  d->jpeg.scale_denom = denominator;
  d->jpeg.do_block_smoothing = smooth_blocks ? TRUE : FALSE;
  /* A memory source never suspends, so FALSE would be a fault of libjpeg's. */
  if (!jpeg_start_decompress(&d->jpeg)) ERREXIT(&d->jpeg, JERR_CANT_SUSPEND);
  *width = d->jpeg.output_width;
  *height = d->jpeg.output_height;
  return PX_OK;
}

int px_decoder_crop(px_decoder *d, uint32_t *x, uint32_t *width) {
  JDIMENSION left = *x, across = *width;
  if (setjmp(d->guard.jump)) return d->guard.status;
  jpeg_crop_scanline(&d->jpeg, &left, &across);
  *x = left;
  *width = across;
  return PX_OK;
}

int px_decoder_skip(px_decoder *d, uint32_t rows) {
  if (setjmp(d->guard.jump)) return d->guard.status;
  /* libjpeg does not report progress from in there. */
  on_progress((j_common_ptr)&d->jpeg);
  if (jpeg_skip_scanlines(&d->jpeg, rows) != rows) ERREXIT(&d->jpeg, JERR_CANT_SUSPEND);
  return PX_OK;
}

int px_decoder_read(px_decoder *d, uint8_t *out, size_t stride, uint32_t rows) {
  /* volatile: changed between setjmp and a longjmp. */
  uint8_t *volatile next = out;
  volatile uint32_t left = rows;
  if (setjmp(d->guard.jump)) return d->guard.status;
  if (stride < (size_t)d->jpeg.output_width * (size_t)d->jpeg.output_components) {
    ERREXIT(&d->jpeg, JERR_BUFFER_SIZE);
  }
  while (left > 0) {
    JSAMPROW row = next;
    if (jpeg_read_scanlines(&d->jpeg, &row, 1) != 1) ERREXIT(&d->jpeg, JERR_CANT_SUSPEND);
    next += stride;
    left--;
  }
  return PX_OK;
}

void px_decoder_damage(const px_decoder *d, struct px_damage *out) { *out = d->guard.damage; }

const char *px_decoder_message(const px_decoder *d) { return d->guard.message; }

void px_decoder_free(px_decoder *d) {
  if (d == NULL) return;
  if (!setjmp(d->guard.jump)) jpeg_destroy_decompress(&d->jpeg);
  free(d);
}

/* libjpeg's own memory destination loses its buffer on an error and cannot be capped. */
static void sink_grow(j_compress_ptr jpeg, size_t used) {
  px_encoder *e = (px_encoder *)jpeg->client_data;
  size_t capacity = e->sink.capacity * 2;
  uint8_t *bytes;
  if (e->sink.max_bytes != 0 && used >= e->sink.max_bytes) stop(&e->guard, PX_FULL);
  if (e->sink.max_bytes != 0 && capacity > e->sink.max_bytes) capacity = e->sink.max_bytes;
  bytes = realloc(e->sink.bytes, capacity);
  if (bytes == NULL) stop(&e->guard, PX_NO_MEMORY);
  e->sink.bytes = bytes;
  e->sink.capacity = capacity;
  e->sink.manager.next_output_byte = bytes + used;
  e->sink.manager.free_in_buffer = capacity - used;
}

static void sink_init(j_compress_ptr jpeg) { (void)jpeg; }

static boolean sink_full(j_compress_ptr jpeg) {
  /* libjpeg calls this when the buffer is full to the last byte, whatever free_in_buffer says. */
  sink_grow(jpeg, ((px_encoder *)jpeg->client_data)->sink.capacity);
  return TRUE;
}

static int encoder_open(px_encoder *e) {
  if (setjmp(e->guard.jump)) return e->guard.status;
  jpeg_create_compress(&e->jpeg);
  e->jpeg.client_data = e;
  e->jpeg.progress = &e->guard.progress;
  e->sink.manager.init_destination = sink_init;
  e->sink.manager.empty_output_buffer = sink_full;
  e->sink.manager.term_destination = sink_init;
  e->jpeg.dest = &e->sink.manager;
  return PX_OK;
}

px_encoder *px_encoder_new(int64_t time_left) {
  px_encoder *e = calloc(1, sizeof *e);
  if (e == NULL) return NULL;
  e->jpeg.err = guard_init(&e->guard, time_left);
  if (encoder_open(e) == PX_OK) return e;
  px_encoder_free(e);
  return NULL;
}

static void sink_open(px_encoder *e, size_t pixels, size_t max_bytes) {
  size_t capacity = pixels / 8 + 4096;
  if (capacity > (1 << 20)) capacity = 1 << 20;
  if (max_bytes != 0 && capacity > max_bytes) capacity = max_bytes;
  e->sink.bytes = malloc(capacity);
  if (e->sink.bytes == NULL) stop(&e->guard, PX_NO_MEMORY);
  e->sink.capacity = capacity;
  e->sink.max_bytes = max_bytes;
  e->sink.manager.next_output_byte = e->sink.bytes;
  e->sink.manager.free_in_buffer = capacity;
}

int px_encoder_start(px_encoder *e, const struct px_encode_options *options) {
  j_compress_ptr jpeg = &e->jpeg;
  int i;
  if (setjmp(e->guard.jump)) return e->guard.status;
  sink_open(e, (size_t)options->width * options->height, options->max_bytes);

  jpeg->image_width = options->width;
  jpeg->image_height = options->height;
  jpeg->input_components = (int)options->channels;
  switch (options->channels) {
    case 1: jpeg->in_color_space = JCS_GRAYSCALE; break;
    case 3: jpeg->in_color_space = JCS_RGB; break;
    default: jpeg->in_color_space = JCS_EXT_RGBX; break;
  }
  jpeg_set_defaults(jpeg);
  jpeg_set_quality(jpeg, (int)options->quality, TRUE);
  if (options->full_chroma) {
    for (i = 0; i < jpeg->num_components; i++) {
      jpeg->comp_info[i].h_samp_factor = 1;
      jpeg->comp_info[i].v_samp_factor = 1;
    }
  }
  jpeg->optimize_coding = options->optimize ? TRUE : FALSE;
  if (options->progressive) jpeg_simple_progression(jpeg);
  jpeg_start_compress(jpeg, TRUE);
  return PX_OK;
}

int px_encoder_marker(px_encoder *e, uint32_t n, const uint8_t *bytes, size_t len) {
  if (setjmp(e->guard.jump)) return e->guard.status;
  if (n > 15 || len > 65533) ERREXIT(&e->jpeg, JERR_BAD_LENGTH);
  jpeg_write_marker(&e->jpeg, JPEG_APP0 + (int)n, bytes, (unsigned int)len);
  return PX_OK;
}

int px_encoder_icc(px_encoder *e, const uint8_t *bytes, size_t len) {
  if (setjmp(e->guard.jump)) return e->guard.status;
  /* 255 segments of 65519 bytes are all that the numbering can hold. */
  if (len == 0 || len > (size_t)255 * 65519) ERREXIT(&e->jpeg, JERR_BAD_LENGTH);
  jpeg_write_icc_profile(&e->jpeg, bytes, (unsigned int)len);
  return PX_OK;
}

int px_encoder_write(px_encoder *e, const uint8_t *rows, size_t stride, uint32_t count) {
  const uint8_t *volatile next = rows;
  volatile uint32_t left = count;
  if (setjmp(e->guard.jump)) return e->guard.status;
  if (stride < (size_t)e->jpeg.image_width * (size_t)e->jpeg.input_components) {
    ERREXIT(&e->jpeg, JERR_BUFFER_SIZE);
  }
  while (left > 0) {
    JSAMPROW row = (JSAMPROW)next;
    if (jpeg_write_scanlines(&e->jpeg, &row, 1) != 1) ERREXIT(&e->jpeg, JERR_CANT_SUSPEND);
    next += stride;
    left--;
  }
  return PX_OK;
}

int px_encoder_finish(px_encoder *e, const uint8_t **bytes, size_t *len) {
  if (setjmp(e->guard.jump)) return e->guard.status;
  jpeg_finish_compress(&e->jpeg);
  *bytes = e->sink.bytes;
  *len = e->sink.capacity - e->sink.manager.free_in_buffer;
  return PX_OK;
}

const char *px_encoder_message(const px_encoder *e) { return e->guard.message; }

void px_encoder_free(px_encoder *e) {
  if (e == NULL) return;
  if (!setjmp(e->guard.jump)) jpeg_destroy_compress(&e->jpeg);
  free(e->sink.bytes);
  free(e);
}

size_t px_find_ff(const uint8_t *bytes, size_t len, size_t from) {
  const uint8_t *found;
  if (from >= len) return len;
  found = memchr(bytes + from, 0xFF, len - from);
  return found == NULL ? len : (size_t)(found - bytes);
}
