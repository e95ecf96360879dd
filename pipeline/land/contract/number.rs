//! Text to numbers, exactly: nothing is rounded and nothing overflows in silence.

/// The longest power of ten that fits 38 digits.
const MAX_DIGITS: u32 = 38;

/// Parses a whole number; a fraction of zeros (`17850.0`) and an exponent are allowed where the value stays whole.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let digits = match text {
        [b'-' | b'+', rest @ ..] => rest,
        rest => rest,
    };
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit) {
        let value = digits.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        return Some(if text[0] == b'-' { -value } else { value });
    }
    i64::try_from(decimal(text, 38, 0)?).ok()
}

/// Parses a finite double; infinities, NaN and numbers beyond the range are refused.
pub(crate) fn double(text: &[u8]) -> Option<f64> {
    // Letters other than an exponent are the words (`inf`, `nan`) that Rust's parser would take.
    if text.iter().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) {
        return None;
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// Parses a decimal exactly into units of 10^-scale; digits beyond the scale must be zeros.
pub(crate) fn decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let magnitude = match short_decimal(unsigned, scale) {
        Some(value) => i128::from(value),
        None => long_decimal(unsigned, i64::from(scale))?,
    };
    if magnitude >= 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX) {
        return None;
    }
    Some(if negative { -magnitude } else { magnitude })
}

/// The common case: a few digits, at most one point, no exponent. `None` means "look closer".
fn short_decimal(text: &[u8], scale: u8) -> Option<i64> {
    if text.is_empty() || text.len() + usize::from(scale) > 18 {
        return None;
    }
    let (mut value, mut digits, mut fraction, mut seen_point) = (0_i64, 0, 0_u8, false);
    for &byte in text {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + i64::from(byte - b'0');
                digits += 1;
                fraction += u8::from(seen_point);
            }
            b'.' if !seen_point => seen_point = true,
            _ => return None,
        }
    }
    if digits == 0 || fraction > scale {
        return None;
    }
    Some(value * 10_i64.pow(u32::from(scale - fraction)))
}

fn long_decimal(text: &[u8], scale: i64) -> Option<i128> {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let point = mantissa.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0_i128;
    let mut significant = 0_u32;
    for &byte in whole.iter().chain(fraction) {
        if !byte.is_ascii_digit() {
            return None;
        }
        if significant > 0 || byte != b'0' {
            significant += 1;
        }
        if significant <= MAX_DIGITS {
            value = value * 10 + i128::from(byte - b'0');
        } else if byte != b'0' {
            return None;
        }
    }
    if value == 0 {
        return Some(0);
    }
    // Zeros past 38 digits were not taken into the value: they count as an exponent.
    let dropped = i64::from(significant.saturating_sub(MAX_DIGITS));
    let shift = exponent + scale - i64::try_from(fraction.len()).ok()? + dropped;
    if shift >= 0 {
        let factor = 10_i128.checked_pow(u32::try_from(shift).ok()?)?;
        return value.checked_mul(factor);
    }
    let divisor = 10_i128.checked_pow(u32::try_from(-shift).ok()?)?;
    (value % divisor == 0).then(|| value / divisor)
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Past six digits the value is out of range either way, unless it is zero: then any exponent will do.
    let mut value = 0_i64;
    for digit in digits {
        value = (value * 10 + i64::from(digit - b'0')).min(1_000_000);
    }
    Some(if negative { -value } else { value })
}

/// Parses a boolean as people and systems write it, whatever the case.
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    const TRUE: [&[u8]; 5] = [b"true", b"t", b"yes", b"y", b"1"];
    const FALSE: [&[u8]; 5] = [b"false", b"f", b"no", b"n", b"0"];
    if TRUE.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        Some(true)
    } else if FALSE.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        Some(false)
    } else {
        None
    }
}
