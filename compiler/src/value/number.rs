//! Numbers: integers exact to any practical size, decimals exact as written.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive, Zero};

/// Most digits a number may have, before and after the point: enough for any template, and `1e999999999` eats no memory.
const MAX_DIGITS: u64 = 10_000;
/// Significant digits of a quotient.
const QUOTIENT_DIGITS: u64 = 160;
/// Significant digits of other inexact results: fewer, so that `1/3*3` is 1. It is also what 512 bits hold, HCL's own
/// precision.
const DIGITS: u64 = 154;

/// A decimal number.
///
/// Integers are exact; so are decimals up to 154 significant digits, so `0.1 + 0.2` is `0.3`. Equal numbers
/// have one representation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    /// Every integer that fits: the numbers of ordinary templates cost no allocation.
    Small(i64),
    /// All others, without trailing zeros.
    Big(Arc<BigDecimal>),
}

/// Why there is no such number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is not a number.
    #[error("this is not a number")]
    Malformed,
    /// It has more digits than are supported.
    #[error("the number has more than {MAX_DIGITS} digits")]
    TooLarge,
    /// The divisor is zero.
    #[error("division by zero")]
    DivisionByZero,
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number(Repr::Small(0));

    /// A number as HCL and JSON write it: digits, an optional fraction, an optional exponent, an optional sign.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if let Some(small) = parse_small(text) {
            return Ok(Self(Repr::Small(small)));
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (digits, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let exponent = exponent.map(|text| text.strip_prefix(['-', '+']).unwrap_or(text));
        if !all_digits(whole) || !all_digits(fraction) || !exponent.is_none_or(all_digits) {
            return Err(NumberError::Malformed);
        }
        if mantissa.len() as u64 > 2 * MAX_DIGITS {
            return Err(NumberError::TooLarge);
        }
        let number = text
            .strip_prefix('+')
            .unwrap_or(text)
            .parse::<BigDecimal>()
            .map_err(|_| NumberError::TooLarge)?;
        Self::from_decimal(number)
    }

    /// A decimal of reasonable size.
    pub fn from_decimal(decimal: BigDecimal) -> Result<Self, NumberError> {
        if decimal.is_zero() {
            return Ok(Self::ZERO);
        }
        let (digits, scale) = (
            i128::from(decimal.digits()),
            i128::from(decimal.fractional_digit_count()),
        );
        let limit = i128::from(MAX_DIGITS);
        if digits > 2 * limit || digits - scale > limit || scale > 2 * limit {
            return Err(NumberError::TooLarge);
        }
        let decimal = decimal.normalized();
        if decimal.fractional_digit_count() > limit as i64 {
            return Err(NumberError::TooLarge);
        }
        match decimal.is_integer().then(|| decimal.to_i64()).flatten() {
            Some(small) => Ok(Self(Repr::Small(small))),
            None => Ok(Self(Repr::Big(Arc::new(decimal)))),
        }
    }

    /// A binary floating-point number, by its shortest decimal notation; `None` for infinities and NaN.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        Self::parse(&format!("{value:e}")).ok()
    }

    /// An integer of reasonable size.
    pub fn from_bigint(integer: BigInt) -> Result<Self, NumberError> {
        Self::from_decimal(BigDecimal::from(integer))
    }

    /// The same number as a decimal.
    pub fn to_decimal(&self) -> BigDecimal {
        match &self.0 {
            Repr::Small(small) => BigDecimal::from(*small),
            Repr::Big(big) => BigDecimal::clone(big),
        }
    }

    /// The same number as an integer, where it is one.
    pub fn to_bigint(&self) -> Option<BigInt> {
        match &self.0 {
            Repr::Small(small) => Some(BigInt::from(*small)),
            Repr::Big(big) if big.is_integer() => Some(big.with_scale(0).into_bigint_and_scale().0),
            Repr::Big(_) => None,
        }
    }

    /// The same number, where it is an integer that fits.
    pub fn to_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Small(small) => Some(small),
            Repr::Big(_) => None,
        }
    }

    /// The same number, where it is an integer that fits.
    pub fn to_u64(&self) -> Option<u64> {
        match &self.0 {
            Repr::Small(small) => u64::try_from(*small).ok(),
            Repr::Big(big) => big.is_integer().then(|| big.to_u64()).flatten(),
        }
    }

    /// The same number, where it is an integer that fits.
    pub fn to_usize(&self) -> Option<usize> {
        self.to_u64().and_then(|value| usize::try_from(value).ok())
    }

    /// The nearest binary floating-point number; infinite where it is out of range.
    pub fn to_f64(&self) -> f64 {
        match &self.0 {
            Repr::Small(small) => *small as f64,
            Repr::Big(big) => big
                .to_scientific_notation()
                .parse()
                .expect("decimals in scientific notation are floats"),
        }
    }

    /// Whether there is nothing after the point.
    pub fn is_integer(&self) -> bool {
        match &self.0 {
            Repr::Small(_) => true,
            Repr::Big(big) => big.is_integer(),
        }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        *self < Self::ZERO
    }

    /// `self + other`.
    pub fn add(&self, other: &Self) -> Result<Self, NumberError> {
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0)
            && let Some(sum) = a.checked_add(*b)
        {
            return Ok(Self(Repr::Small(sum)));
        }
        round(self.to_decimal() + other.to_decimal())
    }

    /// `self - other`.
    pub fn subtract(&self, other: &Self) -> Result<Self, NumberError> {
        self.add(&other.negate())
    }

    /// `self * other`.
    pub fn multiply(&self, other: &Self) -> Result<Self, NumberError> {
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0)
            && let Some(product) = a.checked_mul(*b)
        {
            return Ok(Self(Repr::Small(product)));
        }
        round(self.to_decimal() * other.to_decimal())
    }

    /// `self / other`, to 160 significant digits where it does not come out even.
    pub fn divide(&self, other: &Self) -> Result<Self, NumberError> {
        if *other == Self::ZERO {
            return Err(NumberError::DivisionByZero);
        }
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0)
            && let (Some(0), Some(quotient)) = (a.checked_rem(*b), a.checked_div(*b))
        {
            return Ok(Self(Repr::Small(quotient)));
        }
        if let (Some(a), Some(b)) = (self.to_bigint(), other.to_bigint())
            && (&a % &b).is_zero()
        {
            return Self::from_decimal(BigDecimal::from(a / b));
        }
        let (a, b) = (self.to_decimal(), other.to_decimal());
        // Enough digits in the dividend that integer division gives the precision wanted.
        let (a, a_scale) = a.into_bigint_and_scale();
        let (b, b_scale) = b.into_bigint_and_scale();
        let shift = QUOTIENT_DIGITS + 2 + decimal_digits(&b).saturating_sub(decimal_digits(&a));
        let quotient = a * BigInt::from(10).pow(shift as u32) / b;
        let scale = a_scale - b_scale + shift as i64;
        Self::from_decimal(significant(
            BigDecimal::new(quotient, scale),
            QUOTIENT_DIGITS,
        ))
    }

    /// What is left of `self / other` rounded towards zero; its sign is that of `self`.
    pub fn remainder(&self, other: &Self) -> Result<Self, NumberError> {
        if *other == Self::ZERO {
            return Err(NumberError::DivisionByZero);
        }
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0) {
            return Ok(Self(Repr::Small(a.checked_rem(*b).unwrap_or(0))));
        }
        // On integers of one scale, so that nothing is rounded.
        let (a, b) = (self.to_decimal(), other.to_decimal());
        let scale = a
            .fractional_digit_count()
            .max(b.fractional_digit_count())
            .max(0);
        let (a, _) = a.with_scale(scale).into_bigint_and_scale();
        let (b, _) = b.with_scale(scale).into_bigint_and_scale();
        Self::from_decimal(BigDecimal::new(a % b, scale))
    }

    /// `self` to the power of a whole number.
    pub fn power(&self, exponent: u32) -> Result<Self, NumberError> {
        let mut result = Self::from(1_i64);
        let mut base = self.clone();
        let mut rest = exponent;
        while rest > 0 {
            if rest & 1 == 1 {
                result = result.multiply(&base)?;
            }
            rest >>= 1;
            if rest > 0 {
                base = base.multiply(&base)?;
            }
        }
        Ok(result)
    }

    /// `-self`.
    #[must_use]
    pub fn negate(&self) -> Self {
        match &self.0 {
            Repr::Small(small) => match small.checked_neg() {
                Some(negated) => Self(Repr::Small(negated)),
                None => Self(Repr::Big(Arc::new(-BigDecimal::from(*small)))),
            },
            Repr::Big(big) => Self::from_decimal(-BigDecimal::clone(big))
                .expect("the sign does not change the number of digits"),
        }
    }

    /// Without the sign.
    #[must_use]
    pub fn absolute(&self) -> Self {
        if self.is_negative() {
            self.negate()
        } else {
            self.clone()
        }
    }

    /// The nearest integer not above.
    #[must_use]
    pub fn floor(&self) -> Self {
        self.to_integer(RoundingMode::Floor)
    }

    /// The nearest integer not below.
    #[must_use]
    pub fn ceil(&self) -> Self {
        self.to_integer(RoundingMode::Ceiling)
    }

    /// Rounded to `places` after the point, halves to the even digit.
    #[must_use]
    pub fn round_to(&self, places: u32) -> Self {
        match &self.0 {
            Repr::Small(_) => self.clone(),
            Repr::Big(big) => {
                Self::from_decimal(big.with_scale_round(i64::from(places), RoundingMode::HalfEven))
                    .unwrap_or_else(|_| self.clone())
            }
        }
    }

    fn to_integer(&self, mode: RoundingMode) -> Self {
        match &self.0 {
            Repr::Small(_) => self.clone(),
            Repr::Big(big) => Self::from_decimal(big.with_scale_round(0, mode))
                .expect("rounding adds one digit at most"),
        }
    }
}

/// Integers of up to 18 digits without a detour.
fn parse_small(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain =
        !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Integers stay exact; others keep 154 significant digits.
fn round(decimal: BigDecimal) -> Result<Number, NumberError> {
    if decimal.is_integer() {
        Number::from_decimal(decimal)
    } else {
        Number::from_decimal(significant(decimal, DIGITS))
    }
}

/// At most `digits` significant digits, halves to the even digit.
fn significant(decimal: BigDecimal, digits: u64) -> BigDecimal {
    let surplus = decimal.digits().saturating_sub(digits) as i64;
    if surplus == 0 {
        return decimal;
    }
    let scale = decimal.fractional_digit_count() - surplus;
    decimal.with_scale_round(scale, RoundingMode::HalfEven)
}

fn decimal_digits(integer: &BigInt) -> u64 {
    BigDecimal::from(integer.clone()).digits()
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(Repr::Small(value))
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Self {
        Self::from(i64::from(value))
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::from(i64::from(value))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        match i64::try_from(value) {
            Ok(small) => Self(Repr::Small(small)),
            Err(_) => Self(Repr::Big(Arc::new(BigDecimal::from(value).normalized()))),
        }
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Small(a), Repr::Small(b)) => a.cmp(b),
            _ => self.to_decimal().cmp(&other.to_decimal()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    /// As HCL converts a number to a string: no exponent, no trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Small(small) => write!(f, "{small}"),
            Repr::Big(big) if big.is_integer() || big.digits() <= DIGITS => {
                f.write_str(&big.to_plain_string())
            }
            Repr::Big(big) => f.write_str(
                &significant(BigDecimal::clone(big), DIGITS)
                    .normalized()
                    .to_plain_string(),
            ),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
