//! `Accept` headers as nobody should send them: the same ones in every run.

/// Endless, seeded: media ranges with and without parameters, q-values right and wrong, quotes, empty elements, garbage.
pub struct Accepts {
    state: u32,
}

const RANGES: &[&str] = &[
    "image/webp",
    "image/avif",
    "image/webp",
    "image/avif",
    "IMAGE/WebP",
    "Image/AVIF",
    "image/*",
    "*/*",
    "image/png",
    "image/jpeg",
    "text/html",
    "image/apng",
    "image/svg+xml",
    "image/webpx",
    "ximage/avif",
    "image /webp",
    "image/avif2",
    "",
    " ",
    "webp",
    "image/",
    ";",
    "\"image/webp",
    "a=\"b,image/avif\"",
    "\\",
    "image/webp image/avif",
];
const PARAMETERS: &[&str] = &[
    "",
    "",
    "",
    ";q=1",
    ";q=0",
    ";q=0.5",
    ";q=0.9",
    ";q=0.8",
    "; q=0.001",
    ";q=0.000",
    " ; q=0.0",
    ";Q=0",
    ";q=1.000",
    ";q=1.",
    ";q=0.",
    ";q=1.001",
    ";q=2",
    ";q=-1",
    ";q=banana",
    ";q=",
    ";q",
    ";q =0",
    ";q= 0",
    ";v=b3;q=0.7",
    ";q=0.7;v=1",
    ";q=0;q=1",
    ";q=1;q=0",
    ";v=\"a,b\";q=0",
    ";v=\"\\\"\"",
    ";q=0.12345",
    ";;q=0",
    ";q=.5",
    ";q=00",
    ";q=1e0",
];

impl Accepts {
    pub fn new(seed: u32) -> Self {
        Self { state: seed }
    }

    fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.state >> 16) as usize % end
    }
}

impl Iterator for Accepts {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let elements: Vec<_> = (0..=self.below(5))
            .map(|_| {
                let range = RANGES[self.below(RANGES.len())];
                format!("{range}{}", PARAMETERS[self.below(PARAMETERS.len())])
            })
            .collect();
        let comma = [",", ", ", " ,", ",,", "\t,"][self.below(5)];
        Some(elements.join(comma))
    }
}
