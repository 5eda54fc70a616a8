//! What an instance runs on, besides its type: hosts, reservations, licences, enclaves, credits.

use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use super::list;

/// The options of the hardware.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hardware {
    pub(crate) tenancy: Option<String>,
    pub(crate) host: Option<String>,
    /// The ARN of a resource group of hosts.
    pub(crate) host_group: Option<String>,
    pub(crate) reservation: Reservation,
    /// ARNs of licence configurations.
    pub(crate) licenses: Vec<String>,
    pub(crate) enclave: bool,
    /// `enable_unlimited_credits`.
    unlimited: bool,
}

/// Which capacity reservation an instance may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reservation {
    /// `open` or `none`.
    Preference(String),
    Id(String),
    /// The ARN of a resource group of reservations.
    Group(String),
}

impl Default for Reservation {
    /// A build is not what a reservation was paid for.
    fn default() -> Self {
        Self::Preference("none".to_owned())
    }
}

/// Families that earn credits: what they do beyond those costs extra.
const BURSTABLE: &[&str] = &["t2.", "t3.", "t3a.", "t4g."];

impl Hardware {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let mut read = Self {
            tenancy: options.string("tenancy")?,
            reservation: reservation(options)?,
            enclave: options.bool("enable_nitro_enclave")?,
            unlimited: options.bool("enable_unlimited_credits")?
                || options.bool("enable_t2_unlimited")?,
            ..Self::default()
        };
        if let Some(value) = options.value("placement") {
            let block = Options::new("`placement`", value);
            let tenancy = block.string("tenancy")?;
            if let (Some(own), Some(other)) = (&tenancy, &read.tenancy)
                && own != other
            {
                let message = format!("`tenancy` is `{other}`, and in `placement` it is `{own}`");
                return Err(wrong("tenancy", message)
                    .help("leave the first out: it is the old way to write the second"));
            }
            read.tenancy = tenancy.or(read.tenancy);
            read.host = block.string("host_id")?;
            read.host_group = block.string("host_resource_group_arn")?;
        }
        if let Some(tenancy) = &read.tenancy
            && !["default", "dedicated", "host"].contains(&tenancy.as_str())
        {
            return Err(wrong("tenancy", format!("`tenancy` is `{tenancy}`"))
                .help("it may be default, dedicated, host"));
        }
        for block in list(options, "license_specifications") {
            let block = Options::new("`license_specifications`", block);
            let requests = list(&block, "license_configuration_request");
            for request in requests {
                let request = Options::new("`license_configuration_request`", request);
                read.licenses
                    .push(request.required("license_configuration_arn")?);
            }
        }
        Ok(read)
    }

    /// What is said of credits for a type: burstable instances do not go beyond theirs unless the template has it.
    pub(crate) fn credits(&self, instance_type: &str) -> Option<&'static str> {
        let burstable = BURSTABLE
            .iter()
            .any(|family| instance_type.starts_with(family));
        match (self.unlimited, burstable) {
            (true, _) => Some("unlimited"),
            (false, true) => Some("standard"),
            (false, false) => None,
        }
    }

    /// Whether anything is said of the place.
    pub(crate) fn is_placed(&self) -> bool {
        self.tenancy.is_some() || self.host.is_some() || self.host_group.is_some()
    }
}

/// By id or by group: both together the catalogue refuses.
fn reservation(options: &Options<'_>) -> Result<Reservation> {
    let preference = options.string("capacity_reservation_preference")?;
    let id = options.string("capacity_reservation_id")?;
    let group = options.string("capacity_reservation_group_arn")?;
    match (preference, id, group) {
        (_, Some(id), _) => Ok(Reservation::Id(id)),
        (_, None, Some(group)) => Ok(Reservation::Group(group)),
        (Some(preference), None, None) if ["open", "none"].contains(&preference.as_str()) => {
            Ok(Reservation::Preference(preference))
        }
        (Some(preference), None, None) => Err(wrong(
            "capacity_reservation_preference",
            format!("`capacity_reservation_preference` is `{preference}`"),
        )
        .help("it may be `open` or `none`")),
        (None, None, None) => Ok(Reservation::default()),
    }
}

fn wrong(option: &str, message: String) -> Error {
    Error::new(Class::Template, "run/aws-option", message).of(option)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::value::Value;
    use imgc_runtime::testing::object;

    use super::*;

    fn of<const N: usize>(entries: [(&'static str, Value); N]) -> Result<Hardware> {
        let value = object(entries);
        Hardware::read(&Options::new("source", &value))
    }

    #[test]
    fn burstable_types_keep_to_their_credits_unless_told() {
        let usual = of([]).unwrap();
        assert_eq!(usual.credits("t3.micro"), Some("standard"));
        assert_eq!(usual.credits("m5.large"), None);
        let unlimited = of([("enable_unlimited_credits", Value::bool(true))]).unwrap();
        assert_eq!(unlimited.credits("t3.micro"), Some("unlimited"));
    }

    #[test]
    fn both_ways_to_write_tenancy_are_one() {
        let block = object([
            ("tenancy", Value::string("host")),
            ("host_id", Value::string("h-1")),
        ]);
        let read = of([("placement", block.clone())]).unwrap();
        assert_eq!(read.tenancy.as_deref(), Some("host"));
        assert_eq!(read.host.as_deref(), Some("h-1"));
        let both = of([("placement", block), ("tenancy", Value::string("default"))]);
        assert_eq!(both.unwrap_err().options, ["tenancy"]);
        let block = object([("tenancy", Value::string("hosts"))]);
        let inside = of([("placement", block)]).unwrap_err();
        assert_eq!(inside.options, ["tenancy"]);
        assert_eq!(inside.message, "`tenancy` is `hosts`");
    }

    #[test]
    fn a_reservation_is_used_only_where_it_is_named() {
        assert_eq!(
            of([]).unwrap().reservation,
            Reservation::Preference("none".to_owned())
        );
        let named = of([("capacity_reservation_id", Value::string("cr-1"))]).unwrap();
        assert_eq!(named.reservation, Reservation::Id("cr-1".to_owned()));
        // The catalogue refuses it as well: by its option it is seen that both mean the same.
        let wrong = of([("capacity_reservation_preference", Value::string("closed"))]);
        let options = wrong.unwrap_err().options;
        assert_eq!(options, ["capacity_reservation_preference"]);
    }
}
