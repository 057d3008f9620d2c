/* The narrow face of libjpeg that Rust sees: opaque handles, plain integers, and a status for every call.
 * No jump and no message leaves this file's other half; see shim.c. */
#ifndef PIXEDGE_JPEG_SHIM_H
#define PIXEDGE_JPEG_SHIM_H

#include <stddef.h>
#include <stdint.h>

enum px_status {
  PX_OK = 0,
  PX_BROKEN = 1,         /* libjpeg gave up; px_*_message says why */
  PX_TIMED_OUT = 2,
  PX_TOO_MANY_SCANS = 3,
  PX_FULL = 4,           /* the encoder reached its cap on output bytes */
  PX_NO_MEMORY = 5,
};

enum px_colour { PX_GRAY = 1, PX_RGB = 3, PX_CMYK = 4 };

struct px_header {
  uint32_t width;
  uint32_t height;
  uint32_t components;
  uint32_t precision;
  uint32_t colour;       /* enum px_colour; 0 when libjpeg cannot convert the file to any of them */
  uint32_t adobe;
};

struct px_damage {
  uint32_t warnings;     /* about the entropy-coded data; harmless ones about headers are not counted */
  uint32_t lines;        /* rows of the full-size picture that were intact before the first of them */
  uint32_t truncated;    /* the file ended too early */
};

struct px_encode_options {
  uint32_t width;
  uint32_t height;
  uint32_t channels;     /* 1 gray, 3 RGB, 4 RGB and a byte that is ignored */
  uint32_t quality;
  uint32_t full_chroma;  /* 4:4:4 instead of 4:2:0 */
  uint32_t progressive;
  uint32_t optimize;     /* Huffman tables made for this picture; progressive always does so */
  size_t max_bytes;      /* 0 = no cap */
};

typedef struct px_decoder px_decoder;
typedef struct px_encoder px_encoder;

/* `time_left` in nanoseconds. The bytes must outlive the decoder. NULL = no memory. */
px_decoder *px_decoder_new(const uint8_t *bytes, size_t len, int64_t time_left, uint32_t max_scans);
int px_decoder_header(px_decoder *d, struct px_header *out);
int px_decoder_start(px_decoder *d, uint32_t denominator, uint32_t smooth_blocks, uint32_t *width,
                     uint32_t *height);
/* Narrows the rows; x moves left to what libjpeg can do and the width grows by as much. */
int px_decoder_crop(px_decoder *d, uint32_t *x, uint32_t *width);
int px_decoder_skip(px_decoder *d, uint32_t rows);
/* Reads exactly `rows` rows of `stride` bytes each. */
int px_decoder_read(px_decoder *d, uint8_t *out, size_t stride, uint32_t rows);
void px_decoder_damage(const px_decoder *d, struct px_damage *out);
const char *px_decoder_message(const px_decoder *d);
void px_decoder_free(px_decoder *d);

px_encoder *px_encoder_new(int64_t time_left);
int px_encoder_start(px_encoder *e, const struct px_encode_options *options);
/* Writes an APP`n` segment; between start and the first rows. */
int px_encoder_marker(px_encoder *e, uint32_t n, const uint8_t *bytes, size_t len);
int px_encoder_icc(px_encoder *e, const uint8_t *bytes, size_t len);
int px_encoder_write(px_encoder *e, const uint8_t *rows, size_t stride, uint32_t count);
/* On PX_OK the bytes stay valid until the encoder is freed. */
int px_encoder_finish(px_encoder *e, const uint8_t **bytes, size_t *len);
const char *px_encoder_message(const px_encoder *e);
void px_encoder_free(px_encoder *e);

/* Offset of the next 0xFF byte at or after `from`, or `len`. */
size_t px_find_ff(const uint8_t *bytes, size_t len, size_t from);

#endif
