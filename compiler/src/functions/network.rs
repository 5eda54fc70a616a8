//! Functions of IP network addresses in CIDR notation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    CallCx, Function, FunctionError, FunctionResult, Param, Returns, Shape, integer, number, text,
};
use crate::value::Value;

const PREFIX: Param = Param::new("prefix", Shape::String);
const NEWBITS: Param = Param::new("newbits", Shape::Number);
const STRING: Returns = Returns::Is(Shape::String);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "cidrhost",
        &[PREFIX, Param::new("hostnum", Shape::Number)],
        STRING,
        "The address of a host in a network; a negative number counts from the end.",
        ("cidrhost(\"10.12.112.0/20\", 16)", "\"10.12.112.16\""),
        host,
    ),
    Function::new(
        "cidrnetmask",
        &[PREFIX],
        STRING,
        "The network mask of a network, as an address.",
        ("cidrnetmask(\"172.16.0.0/12\")", "\"255.240.0.0\""),
        netmask,
    ),
    Function::new(
        "cidrsubnet",
        &[PREFIX, NEWBITS, Param::new("netnum", Shape::Number)],
        STRING,
        "The subnet of that number in a network, with that many bits more.",
        ("cidrsubnet(\"172.16.0.0/12\", 4, 2)", "\"172.18.0.0/16\""),
        subnet,
    ),
    Function::new(
        "cidrsubnets",
        &[PREFIX],
        Returns::Is(Shape::List(&Shape::String)),
        "Subnets of a network, one after the other, each with that many bits more.",
        (
            "cidrsubnets(\"10.1.0.0/16\", 4, 8)",
            "[\"10.1.0.0/20\", \"10.1.16.0/24\"]",
        ),
        subnets,
    )
    .variadic(NEWBITS, 0),
];

/// A network: its first address as a number, and how many bits are fixed.
#[derive(Clone, Copy)]
struct Network {
    base: u128,
    prefix: u32,
    /// 32 or 128.
    width: u32,
}

impl Network {
    fn parse(args: &[Value], cx: &CallCx<'_>) -> Result<Self, FunctionError> {
        let text = text(args, 0);
        let malformed = || {
            let message = format!(
                "expected a network such as `10.0.0.0/8`, found {}",
                cx.quote(text)
            );
            FunctionError::at(0, message)
        };
        let (address, prefix) = text.split_once('/').ok_or_else(malformed)?;
        let (address, width) = match address.parse().map_err(|_| malformed())? {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let prefix: u32 = prefix.parse().map_err(|_| malformed())?;
        if prefix > width {
            return Err(malformed());
        }
        Ok(Self {
            base: address & !mask(width - prefix),
            prefix,
            width,
        })
    }

    fn address(&self, number: u128) -> IpAddr {
        match self.width {
            32 => IpAddr::V4(Ipv4Addr::from(number as u32)),
            _ => IpAddr::V6(Ipv6Addr::from(number)),
        }
    }

    fn text(&self) -> String {
        format!("{}/{}", self.address(self.base), self.prefix)
    }

    /// The number of bits after adding some, or why there are not so many.
    fn longer(&self, args: &[Value], at: usize, least: u32) -> Result<u32, FunctionError> {
        let bits = integer(args, at)?;
        let free = self.width - self.prefix;
        match u32::try_from(bits) {
            Ok(bits) if (least..=free).contains(&bits) => Ok(self.prefix + bits),
            _ => Err(FunctionError::quoting(
                at,
                format!(
                    "expected {least} to {free} more bits for a prefix of {}, found {bits}",
                    self.prefix
                ),
            )),
        }
    }
}

/// The lowest `bits` bits.
fn mask(bits: u32) -> u128 {
    1_u128.checked_shl(bits).map_or(u128::MAX, |bit| bit - 1)
}

/// A whole number of up to 128 bits, and whether it is negative.
fn wide(args: &[Value], at: usize) -> Result<(u128, bool), FunctionError> {
    let number = number(args, at);
    let magnitude = number.absolute().to_bigint();
    let magnitude = magnitude.ok_or_else(|| FunctionError::at(at, "expected a whole number"))?;
    match u128::try_from(magnitude) {
        Ok(magnitude) => Ok((magnitude, number.is_negative())),
        Err(_) => Err(FunctionError::at(at, "the number is too large")),
    }
}

fn host(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let network = Network::parse(args, cx)?;
    let (number, negative) = wide(args, 1)?;
    let highest = mask(network.width - network.prefix);
    let offset = match negative {
        true => number
            .checked_sub(1)
            .and_then(|back| highest.checked_sub(back)),
        false => Some(number).filter(|number| *number <= highest),
    };
    let offset = offset.ok_or_else(|| {
        let message = format!(
            "a network with a prefix of {} has no host of that number",
            network.prefix
        );
        FunctionError::quoting(1, message)
    })?;
    Ok(Value::string(
        network.address(network.base + offset).to_string(),
    ))
}

fn netmask(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let network = Network::parse(args, cx)?;
    let mask = mask(network.width) & !mask(network.width - network.prefix);
    Ok(Value::string(network.address(mask).to_string()))
}

fn subnet(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let network = Network::parse(args, cx)?;
    let prefix = network.longer(args, 1, 0)?;
    let (number, negative) = wide(args, 2)?;
    let count = mask(prefix - network.prefix);
    let number = Some(number).filter(|number| !negative && *number <= count);
    let number = number.ok_or_else(|| {
        let bits = prefix - network.prefix;
        FunctionError::quoting(
            2,
            format!("there is no subnet of that number in {bits} bits"),
        )
    })?;
    let free = network.width - prefix;
    let subnet = Network {
        base: network.base | number.checked_shl(free).unwrap_or(0),
        prefix,
        ..network
    };
    Ok(Value::string(subnet.text()))
}

fn subnets(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let network = Network::parse(args, cx)?;
    let end = network.base + mask(network.width - network.prefix);
    // The next free address; `None` past the very last one.
    let mut next = Some(network.base);
    let mut texts = Vec::new();
    for at in 1..args.len() {
        let prefix = network.longer(args, at, 1)?;
        let size_minus_one = mask(network.width - prefix);
        // Up to the next multiple of the size.
        let base = next.and_then(|next| Some(next.checked_add(size_minus_one)? & !size_minus_one));
        let last = base.and_then(|base| base.checked_add(size_minus_one));
        let (Some(base), Some(last)) = (base, last.filter(|last| *last <= end)) else {
            let message = format!("the network {} has no room for this one", network.text());
            return Err(FunctionError::quoting(at, message));
        };
        let subnet = Network {
            base,
            prefix,
            ..network
        };
        texts.push(subnet.text());
        next = last.checked_add(1);
    }
    Ok(Value::strings(texts))
}
