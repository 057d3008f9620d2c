//! Transformations as a JSON object, the way other services take them, become a spec. An object runs in a fixed order
//! whatever the order of its keys, an array of objects with one key each in the order it is written; each key is a step
//! of its own, so the pixels of a crop are those of the resized picture.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::error::Wrong;
use crate::transform::error::nearest;

/// The spec that `transformations` means for a picture with these sides, or everything that is wrong with it. `field` is
/// where it stands in the request.
pub fn spec_of(field: &str, transformations: &Value, picture: (u32, u32)) -> Result<String, Vec<Wrong>> {
    let mut reader = Reader { picture: Some(picture), ..Reader::default() };
    match transformations {
        Value::Object(all) => {
            for key in all.keys().filter(|key| !ORDER.contains(&key.as_str())) {
                reader.unknown(&format!("{field}.{key}"), key, &ORDER);
            }
            for key in ORDER {
                if let Some(value) = all.get(key) {
                    reader.key(&format!("{field}.{key}"), key, value);
                }
            }
        }
        Value::Array(list) => {
            for (at, item) in list.iter().enumerate() {
                let at = format!("{field}[{at}]");
                match item.as_object().map(|item| (item.len(), item.iter().next())) {
                    Some((1, Some((key, value)))) if ORDER.contains(&key.as_str()) => {
                        reader.key(&format!("{at}.{key}"), key, value);
                    }
                    Some((1, Some((key, _)))) => reader.unknown(&format!("{at}.{key}"), key, &ORDER),
                    _ => reader.wrong(&at, "must be an object with one key"),
                }
            }
        }
        _ => reader.wrong(field, "must be an object, or an array of objects with one key each"),
    }
    reader.finish(field)
}

const ORDER: [&str; 9] =
    ["resize", "crop", "rotate", "flip", "mirror", "filters", "watermark", "compress", "format"];

#[derive(Default)]
struct Reader {
    steps: Vec<String>,
    /// Options of the whole spec.
    output: Vec<String>,
    wrong: Vec<Wrong>,
    /// Sides at this point, where they are known without turning anything.
    picture: Option<(u32, u32)>,
}

impl Reader {
    fn finish(mut self, field: &str) -> Result<String, Vec<Wrong>> {
        if self.wrong.is_empty() && self.steps.is_empty() && self.output.is_empty() {
            self.wrong(field, "asks for nothing: give at least one transformation");
        }
        if !self.wrong.is_empty() {
            return Err(self.wrong);
        }
        let output = self.output.join(",");
        match self.steps.last_mut() {
            None => return Ok(output),
            Some(last) if !output.is_empty() => *last = format!("{last},{output}"),
            Some(_) => {}
        }
        Ok(self.steps.join("/"))
    }

    fn key(&mut self, field: &str, key: &str, value: &Value) {
        match key {
            "resize" => self.resize(field, value),
            "crop" => self.crop(field, value),
            "rotate" => self.rotate(field, value),
            "flip" => match value.as_str() {
                Some("horizontal") => self.steps.push("flop".to_owned()),
                Some("vertical") => self.steps.push("flip".to_owned()),
                _ => self.switch(field, value, "flip"),
            },
            "mirror" => self.switch(field, value, "flop"),
            "filters" => self.filters(field, value),
            "watermark" => self.watermark(field, value),
            "compress" => self.compress(field, value),
            _ => self.format(field, value),
        }
    }

    fn resize(&mut self, field: &str, value: &Value) {
        let Some(fields) = self.fields(field, value, &["width", "height", "fit"]) else { return };
        let before = self.wrong.len();
        let width = self.side(field, fields, "width");
        let height = self.side(field, fields, "height");
        let mode = match fields.get("fit") {
            None => "fill",
            Some(fit) => match fit.as_str() {
                Some("cover") => "fill",
                Some("contain") => "pad",
                Some("fill") => "scale",
                Some("inside") => "fit",
                Some("outside") => "mcover",
                _ => {
                    return self.wrong(
                        &format!("{field}.fit"),
                        "must be `cover`, `contain`, `fill`, `inside` or `outside`",
                    );
                }
            },
        };
        if self.wrong.len() > before {
            return;
        }
        let scaled = |length: u32, by: u32, of: u32| {
            let exact = (u64::from(length) * u64::from(by) * 2 + u64::from(of)) / (u64::from(of) * 2).max(1);
            u32::try_from(exact).unwrap_or(u32::MAX).max(1)
        };
        let (step, picture) = match (width, height) {
            (Some(w), Some(h)) => {
                let picture = match mode {
                    "fill" | "pad" | "scale" => Some((w, h)),
                    _ => self.picture.map(|(sw, sh)| {
                        let by_width = u64::from(w) * u64::from(sh) <= u64::from(h) * u64::from(sw);
                        if by_width == (mode == "fit") {
                            (w, scaled(sh, w, sw))
                        } else {
                            (scaled(sw, h, sh), h)
                        }
                    }),
                };
                (format!("w_{w},h_{h},c_{mode}"), picture)
            }
            (Some(w), None) => (format!("w_{w},c_fit"), self.picture.map(|(sw, sh)| (w, scaled(sh, w, sw)))),
            (None, Some(h)) => (format!("h_{h},c_fit"), self.picture.map(|(sw, sh)| (scaled(sw, h, sh), h))),
            (None, None) => return self.wrong(field, "needs `width`, `height` or both"),
        };
        self.picture = picture;
        self.steps.push(step);
    }

    fn crop(&mut self, field: &str, value: &Value) {
        let Some(fields) = self.fields(field, value, &["width", "height", "x", "y"]) else { return };
        let before = self.wrong.len();
        let (width, height) = (self.side(field, fields, "width"), self.side(field, fields, "height"));
        let [x, y] = ["x", "y"].map(|name| match fields.get(name) {
            None => 0,
            Some(value) => self.whole(&format!("{field}.{name}"), value, 0, 16_384).unwrap_or(0),
        });
        if self.wrong.len() > before {
            return;
        }
        let (Some(width), Some(height)) = (width, height) else {
            return self.wrong(field, "needs `width` and `height`");
        };
        if let Some((right, bottom)) = self.picture
            && (x + width > right || y + height > bottom)
        {
            let reason = format!("leaves the picture, which has {right}x{bottom} pixels there");
            return self.wrong(field, &reason);
        }
        self.picture = Some((width, height));
        self.steps.push(format!("ex_{x}:{y}:{width}:{height}"));
    }

    fn rotate(&mut self, field: &str, value: &Value) {
        let degrees = number(value).filter(|degrees| (-3600.0..=3600.0).contains(degrees));
        let Some(degrees) = degrees else { return self.wrong(field, "must be degrees from -3600 to 3600") };
        let quarters = degrees / 90.0;
        self.picture = match self.picture {
            Some((width, height)) if quarters.fract() == 0.0 => {
                Some(if (quarters as i64) % 2 == 0 { (width, height) } else { (height, width) })
            }
            _ => None,
        };
        self.steps.push(format!("a_{}", plain(degrees)));
    }

    fn filters(&mut self, field: &str, value: &Value) {
        let Some(fields) = self.fields(field, value, &["grayscale", "sepia"]) else { return };
        let mut options = Vec::new();
        if let Some(value) = fields.get("grayscale") {
            match truth(value) {
                Some(true) => options.push("gray".to_owned()),
                Some(false) => {}
                None => self.wrong(&format!("{field}.grayscale"), "must be true or false"),
            }
        }
        if let Some(value) = fields.get("sepia") {
            match (truth(value), number(value)) {
                (Some(true), _) => options.push("sep".to_owned()),
                (Some(false), _) => {}
                (_, Some(percent)) if (0.0..=100.0).contains(&percent) => {
                    options.push(format!("sep_{}", plain(percent)));
                }
                _ => self.wrong(&format!("{field}.sepia"), "must be true, false or 0 to 100"),
            }
        }
        if !options.is_empty() {
            self.steps.push(options.join(","));
        }
    }

    fn watermark(&mut self, field: &str, value: &Value) {
        if let Some(text) = value.as_str() {
            return match text {
                "" => self.wrong(field, "must not be empty"),
                text => self.steps.push(format!("l_text:~{}", URL_SAFE_NO_PAD.encode(text))),
            };
        }
        let known = ["text", "image_id", "position", "opacity", "size", "tile"];
        let Some(fields) = self.fields(field, value, &known) else { return };
        let word = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (mut options, size) = match (word("text"), word("image_id")) {
            (Some(text), None) => (vec![format!("l_text:~{}", URL_SAFE_NO_PAD.encode(text))], "ls"),
            (None, Some(id)) if id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_') => {
                (vec![format!("l_{id}")], "lw")
            }
            _ => return self.wrong(field, "needs either `text` or `image_id`"),
        };
        if let Some(value) = fields.get("size")
            && let Some(pixels) = self.whole(&format!("{field}.size"), value, 1, 16_384)
        {
            options.push(format!("{size}_{pixels}"));
        }
        if let Some(value) = fields.get("opacity") {
            match number(value).map(|part| if part < 1.0 { part * 100.0 } else { part }) {
                Some(percent) if (0.0..=100.0).contains(&percent) => {
                    options.push(format!("lo_{}", percent.round()));
                }
                _ => self.wrong(&format!("{field}.opacity"), "must be 0 to 100, or a fraction below 1"),
            }
        }
        if let Some(value) = fields.get("position") {
            match value.as_str().and_then(compass) {
                Some(word) => options.push(format!("lg_{word}")),
                None => self.wrong(&format!("{field}.position"), POSITIONS),
            }
        }
        if let Some(value) = fields.get("tile") {
            match truth(value) {
                Some(true) => options.push("lt_1".to_owned()),
                Some(false) => {}
                None => self.wrong(&format!("{field}.tile"), "must be true or false"),
            }
        }
        self.steps.push(options.join(","));
    }

    fn compress(&mut self, field: &str, value: &Value) {
        let quality = match value {
            Value::Object(_) => {
                let Some(fields) = self.fields(field, value, &["quality"]) else { return };
                match fields.get("quality") {
                    Some(quality) => quality,
                    None => return self.wrong(&format!("{field}.quality"), "is missing"),
                }
            }
            other => other,
        };
        match (truth(quality), number(quality)) {
            (Some(true), _) => self.output.push("q_auto".to_owned()),
            (Some(false), _) => {}
            (_, Some(number)) if number.fract() == 0.0 && (1.0..=100.0).contains(&number) => {
                self.output.push(format!("q_{number}"));
            }
            _ => self.wrong(field, "must be 1 to 100, true, or an object with `quality`"),
        }
    }

    fn format(&mut self, field: &str, value: &Value) {
        let word = value.as_str().map(str::to_ascii_lowercase);
        match word.as_deref() {
            Some("jpeg") => self.output.push("f_jpg".to_owned()),
            Some(word @ ("jpg" | "png" | "webp" | "avif" | "gif")) => self.output.push(format!("f_{word}")),
            _ => self.wrong(field, "must be `jpg`, `png`, `webp`, `avif` or `gif`"),
        }
    }

    fn switch(&mut self, field: &str, value: &Value, step: &str) {
        match truth(value) {
            Some(true) => self.steps.push(step.to_owned()),
            Some(false) => {}
            None if field.ends_with("flip") => {
                self.wrong(field, "must be true, false, `vertical` or `horizontal`");
            }
            None => self.wrong(field, "must be true or false"),
        }
    }

    /// The fields of an object, all of which are known.
    fn fields<'v>(
        &mut self,
        field: &str,
        value: &'v Value,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Some(fields) = value.as_object() else {
            self.wrong(field, "must be an object");
            return None;
        };
        let unknown: Vec<&String> = fields.keys().filter(|key| !known.contains(&key.as_str())).collect();
        for key in &unknown {
            self.unknown(&format!("{field}.{key}"), key, known);
        }
        unknown.is_empty().then_some(fields)
    }

    fn side(&mut self, field: &str, fields: &Map<String, Value>, name: &str) -> Option<u32> {
        self.whole(&format!("{field}.{name}"), fields.get(name)?, 1, 16_384)
    }

    fn whole(&mut self, field: &str, value: &Value, min: u32, max: u32) -> Option<u32> {
        let whole = number(value).filter(|number| number.fract() == 0.0);
        let right = whole.filter(|number| (f64::from(min)..=f64::from(max)).contains(number));
        if right.is_none() {
            self.wrong(field, &format!("must be a whole number from {min} to {max}"));
        }
        right.map(|number| number as u32)
    }

    fn unknown(&mut self, field: &str, key: &str, known: &[&str]) {
        let did_you_mean = nearest(key, known.iter().copied());
        let reason = format!("is unknown; there are {}", known.join(", "));
        self.wrong.push(Wrong { field: field.to_owned(), reason, did_you_mean });
    }

    fn wrong(&mut self, field: &str, reason: &str) {
        self.wrong.push(Wrong { field: field.to_owned(), reason: reason.to_owned(), did_you_mean: None });
    }
}

const POSITIONS: &str =
    "must be `center`, `top`, `bottom`, `left`, `right`, or two of them such as `bottom-right`";

/// A number, also where it is written as text.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'-')) => {
            text.parse().ok()
        }
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// With as many decimals as a spec may have.
fn plain(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn compass(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase().replace(['_', ' '], "-");
    Some(match text.as_str() {
        "center" | "centre" | "middle" | "c" => "c",
        "top" | "north" | "n" | "top-center" => "n",
        "bottom" | "south" | "s" | "bottom-center" => "s",
        "left" | "west" | "w" => "w",
        "right" | "east" | "e" => "e",
        "top-left" | "left-top" | "northwest" | "nw" => "nw",
        "top-right" | "right-top" | "northeast" | "ne" => "ne",
        "bottom-left" | "left-bottom" | "southwest" | "sw" => "sw",
        "bottom-right" | "right-bottom" | "southeast" | "se" => "se",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::transform::{Presets, Spec};

    const PICTURE: (u32, u32) = (400, 300);

    #[test]
    fn objects_run_in_the_fixed_order_and_arrays_as_written() {
        for (given, expected) in [
            (json!({"resize": {"width": 200, "height": 100}}), "w_200,h_100,c_fill"),
            (json!({"resize": {"width": "200"}}), "w_200,c_fit"),
            (json!({"resize": {"width": 200, "height": 100, "fit": "contain"}}), "w_200,h_100,c_pad"),
            (
                json!({"format": "jpeg", "compress": "90", "crop": {"width": 50, "height": 50, "x": 10},
                    "resize": {"width": 100, "height": 100}}),
                "w_100,h_100,c_fill/ex_10:0:50:50,q_90,f_jpg",
            ),
            (json!({"flip": true, "mirror": true, "rotate": 90}), "a_90/flip/flop"),
            (json!({"flip": "horizontal"}), "flop"),
            (json!({"rotate": -12.5}), "a_-12.5"),
            (json!({"filters": {"grayscale": true, "sepia": 40}}), "gray,sep_40"),
            (json!({"compress": true}), "q_auto"),
            (json!({"compress": {"quality": 80}, "flip": false}), "q_80"),
            (json!({"watermark": "Hi"}), "l_text:~SGk"),
            (
                json!({"watermark": {"image_id": "k3Jd9s", "position": "bottom-right", "opacity": 0.5,
                    "size": 40, "tile": true}}),
                "l_k3Jd9s,lw_40,lo_50,lg_se,lt_1",
            ),
            (
                json!([{"rotate": 90}, {"resize": {"width": 30}}, {"format": "webp"}]),
                "a_90/w_30,c_fit,f_webp",
            ),
            // 400 x 300 turned is 300 x 400.
            (json!([{"rotate": 90}, {"crop": {"width": 300, "height": 400}}]), "a_90/ex_0:0:300:400"),
        ] {
            let spec = spec_of("t", &given, PICTURE).unwrap_or_else(|wrong| panic!("{given}: {wrong:?}"));
            assert_eq!(spec, expected, "{given}");
            Spec::parse(&spec, &Presets::default()).unwrap();
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        for (given, fields) in [
            (json!({}), &["t"][..]),
            (json!([]), &["t"]),
            (json!("w_300"), &["t"]),
            (json!({"flip": false}), &["t"]),
            (json!({"resise": {}, "blur": 3, "rotate": "x"}), &["t.blur", "t.resise", "t.rotate"]),
            (json!({"resize": {}}), &["t.resize"]),
            (json!({"resize": {"width": 0, "height": 1.5}}), &["t.resize.width", "t.resize.height"]),
            (json!({"resize": {"width": 10, "hight": 10}}), &["t.resize.hight"]),
            (json!({"resize": {"width": 10, "fit": "squash"}}), &["t.resize.fit"]),
            (json!({"crop": {"width": 10}}), &["t.crop"]),
            (json!({"crop": {"width": 401, "height": 1}}), &["t.crop"]),
            (json!({"crop": {"width": 400, "height": 300, "y": 1}}), &["t.crop"]),
            (json!({"resize": {"width": 100}, "crop": {"width": 100, "height": 76}}), &["t.crop"]),
            (json!({"compress": 0}), &["t.compress"]),
            (json!({"format": "bmp"}), &["t.format"]),
            (json!({"filters": {"sepia": 101, "grayscale": 1}}), &["t.filters.grayscale", "t.filters.sepia"]),
            (json!({"watermark": {"text": "a", "image_id": "b"}}), &["t.watermark"]),
            (json!({"watermark": {"image_id": "../x"}}), &["t.watermark"]),
            (json!({"watermark": {"text": "a", "position": "up"}}), &["t.watermark.position"]),
            (json!([{"rotate": 90, "flip": true}, {"spin": 1}]), &["t[0]", "t[1].spin"]),
        ] {
            let mut wrong: Vec<String> =
                spec_of("t", &given, PICTURE).unwrap_err().into_iter().map(|wrong| wrong.field).collect();
            let mut fields: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
            wrong.sort();
            fields.sort();
            assert_eq!(wrong, fields, "{given}");
        }
        let misspelt = spec_of("t", &json!({"resise": {}}), PICTURE).unwrap_err();
        assert_eq!(misspelt[0].did_you_mean.as_deref(), Some("resize"));
    }
}
