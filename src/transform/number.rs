//! Decimals as the grammar knows them: at most four places, exact, so that equal numbers print and hash alike.

use std::fmt;

/// A decimal number in ten-thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal(i64);

const SCALE: i64 = 10_000;

impl Decimal {
    pub const ZERO: Self = Self(0);
    pub const ONE: Self = Self::whole(1);

    pub const fn whole(number: i64) -> Self {
        Self(number * SCALE)
    }

    pub(crate) const fn ten_thousandths(number: i64) -> Self {
        Self(number)
    }

    /// ASCII digits with an optional minus and at most four places; no exponent, no plus, no bare point at the end.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        /// Keeps every product of two decimals far from an overflow.
        const MAX: i64 = 1_000_000_000 * SCALE;
        let digits = text.strip_prefix('-');
        let (mut number, mut places, mut seen) = (0_i64, None, false);
        for byte in digits.unwrap_or(text).bytes() {
            match byte {
                b'0'..=b'9' => {
                    number = number * 10 + i64::from(byte - b'0');
                    seen = true;
                    places = places.map(|n: u32| n + 1);
                    if number > MAX || places > Some(4) {
                        return None;
                    }
                }
                b'.' if places.is_none() => places = Some(0),
                _ => return None,
            }
        }
        if !seen || places == Some(0) {
            return None;
        }
        let number = number * 10_i64.pow(4 - places.unwrap_or(0));
        (number <= MAX).then_some(Self(if digits.is_some() { -number } else { number }))
    }

    /// The number where it has no places.
    pub fn as_whole(self) -> Option<i64> {
        (self.0 % SCALE == 0).then_some(self.0 / SCALE)
    }

    pub fn as_f64(self) -> f64 {
        self.0 as f64 / SCALE as f64
    }

    /// Strictly between 0 and 1.
    pub fn is_fraction(self) -> bool {
        0 < self.0 && self.0 < SCALE
    }

    /// `self × count`, rounded half away from zero.
    pub fn of(self, count: i64) -> i64 {
        round_div(i128::from(self.0) * i128::from(count), i128::from(SCALE))
    }

    pub(crate) fn raw(self) -> i64 {
        self.0
    }

    /// To the nearest quarter, half up.
    pub(crate) fn snapped_to_quarter(self) -> Self {
        const QUARTER: i64 = SCALE / 4;
        Self((self.0 + QUARTER / 2).div_euclid(QUARTER) * QUARTER)
    }

    /// The same angle in 0…360.
    pub(crate) fn turned(self) -> Self {
        Self(self.0.rem_euclid(360 * SCALE))
    }
}

/// `numerator / denominator`, rounded half away from zero; the denominator is positive.
pub(crate) fn round_div(numerator: i128, denominator: i128) -> i64 {
    let half_up = (2 * numerator.abs() + denominator) / (2 * denominator);
    i64::try_from(if numerator < 0 { -half_up } else { half_up }).unwrap_or(i64::MAX)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut places) =
            (self.0.unsigned_abs() / SCALE as u64, self.0.unsigned_abs() % SCALE as u64);
        if self.0 < 0 {
            f.write_str("-")?;
        }
        write!(f, "{whole}")?;
        if places == 0 {
            return Ok(());
        }
        let mut width = 4;
        while places % 10 == 0 {
            places /= 10;
            width -= 1;
        }
        write!(f, ".{places:0width$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_shortest_form() {
        for (text, printed) in [
            ("0300", "300"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("-0", "0"),
            ("-0.050", "-0.05"),
            ("1.0001", "1.0001"),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn only_plain_decimals() {
        for text in
            ["", "-", ".", "1.", "+1", "1e3", "NaN", "1.00000", "--1", "1.2.3", "0x1", "٣", "99999999999"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn rounds_half_away_from_zero_and_snaps_half_up() {
        let half = Decimal::parse("0.5").unwrap();
        assert_eq!((half.of(5), half.of(-5), half.of(4)), (3, -3, 2));
        for (text, snapped) in [("1.125", "1.25"), ("1.1249", "1"), ("0.5", "0.5"), ("3.9", "4")] {
            assert_eq!(Decimal::parse(text).unwrap().snapped_to_quarter().to_string(), snapped);
        }
    }
}
