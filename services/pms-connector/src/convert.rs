//! How values of a PMS become canonical ones: the same rules for every source.

/// Money of a double: its shortest decimal text, rounded half away from zero to four places, in ten-thousandths. None
/// when it is not finite or has more than 14 digits before the point.
pub fn money(value: f64) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    // Most amounts have at most four places: then the nearest such decimal reads back as the same double, and with at
    // most 15 digits it is the shortest text.
    let nearest = (value * 10_000.0).round();
    if nearest.abs() < 1e15 && nearest / 10_000.0 == value {
        #[allow(clippy::cast_possible_truncation)] // a whole number below 1e15
        return Some(nearest as i128);
    }
    // Rust prints the shortest text that reads back as the same double, never with an exponent.
    let text = value.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digit = |place: usize| i128::from(fraction.as_bytes().get(place).map_or(0, |b| b - b'0'));
    let mut amount = whole.parse::<i128>().ok()?;
    for place in 0..4 {
        amount = amount.checked_mul(10)? + digit(place);
    }
    amount += i128::from(digit(4) >= 5);
    (amount < 1_000_000_000_000_000_000).then_some(if value < 0.0 { -amount } else { amount })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn money_is_read_off_the_shortest_text() {
        for (double, amount) in [
            (0.0, 0),
            (-0.0, 0),
            (33.335, 333_350),
            (-33.335, -333_350),
            (1.00005, 10_001),
            (-1.00005, -10_001),
            (0.1 + 0.2, 3_000),
            (1e-7, 0),
            (99_999_999_999.99, 999_999_999_999_900),
        ] {
            assert_eq!(money(double), Some(amount), "{double}");
        }
        assert_eq!(money(f64::NAN), None);
        assert_eq!(money(f64::INFINITY), None);
        assert_eq!(money(1e15), None);
    }

    proptest! {
        #[test]
        fn cents_stay_what_they_are(cents in -100_000_000_000_i64..100_000_000_000) {
            #[allow(clippy::cast_precision_loss)]
            let double = cents as f64 / 100.0;
            prop_assert_eq!(money(double), Some(i128::from(cents) * 100));
        }
    }
}
