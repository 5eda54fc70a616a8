//! What can go wrong at Amazon, in the runtime's words.
//!
//! In: an error of the SDK and the API action that met it. Out: an [`Error`] with a class, an id of [`IDS`], the service's own
//! code and message, and the way out. No error holds a credential.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use imgc_runtime::error::{Class, Error, Id};

use crate::rights::{Place, permission, statements};

/// The id of what is said where a name is taken, or something is as asked for already.
pub(crate) const TAKEN: &str = "run/aws-name-taken";

/// The problems of this crate.
pub const IDS: &[Id] = &[
    ("run/aws-account", "the account cannot be used"),
    (
        "run/aws-capacity",
        "there is no capacity for an instance of this type",
    ),
    (
        "run/aws-chroot",
        "a volume cannot be filled on this machine",
    ),
    (
        "run/aws-denied",
        "the credentials do not allow what is needed",
    ),
    (
        "run/aws-host-key",
        "the instance does not say which host key it has",
    ),
    ("run/aws-image", "an image cannot be made, or failed"),
    ("run/aws-instance", "an instance ended before its time"),
    ("run/aws-missing", "something at Amazon does not exist"),
    (
        TAKEN,
        "an image or a temporary thing of this name exists already",
    ),
    (
        "run/aws-network",
        "the network the template asks for is not there",
    ),
    (
        "run/aws-option",
        "an option of an Amazon component is wrong",
    ),
    (
        "run/aws-other-account",
        "something on record is of another account than the credentials at hand",
    ),
    (
        "run/aws-parameter",
        "a parameter cannot be written, or not be set back",
    ),
    ("run/aws-quota", "a quota of the account is reached"),
    ("run/aws-request", "Amazon refuses a request"),
    (
        "run/aws-session",
        "an instance is not reached by Session Manager",
    ),
    (
        "run/aws-source-image",
        "the image to start from is not found, or is not the one meant",
    ),
    ("run/aws-throttled", "Amazon asks for fewer requests"),
    ("run/aws-timeout", "something at Amazon takes too long"),
    ("run/aws-unreachable", "Amazon cannot be reached"),
];

/// What begins the part of a refusal that only its account can read.
const ENCODED: &str = "Encoded authorization failure message:";

/// What an error of a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Account,
    Capacity,
    Denied,
    Missing,
    NameTaken,
    Quota,
    Throttled,
    /// Something else uses it.
    InUse,
    /// The service's own trouble.
    Server,
    Other,
}

/// The same failure for one of several who share it.
pub(crate) fn copy(error: &Error) -> Error {
    let mut copy = Error::new(error.class, error.id, error.chain());
    copy.help.clone_from(&error.help);
    copy.again = error.again;
    copy
}

/// Whether the code says that credentials were good once.
fn has_expired(code: &str) -> bool {
    matches!(
        code,
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired"
    )
}

/// By the code of an answer. Codes as the EC2 API reference lists them.
pub(crate) fn meaning(code: &str) -> Meaning {
    match code {
        "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "PendingVerification"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Meaning::Account,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => Meaning::Denied,
        "InsufficientCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientInstanceCapacity"
        | "InsufficientReservedInstanceCapacity"
        | "SpotMaxPriceTooLow"
        | "UnfulfillableCapacity"
        | "Unsupported" => Meaning::Capacity,
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "EC2ThrottledException"
        | "SnapshotCreationPerVolumeRateExceeded" => Meaning::Throttled,
        "EntityAlreadyExists"
        | "InvalidAMIName.Duplicate"
        | "InvalidGroup.Duplicate"
        | "InvalidKeyPair.Duplicate"
        | "InvalidPermission.Duplicate" => Meaning::NameTaken,
        "DependencyViolation"
        | "InvalidGroup.InUse"
        | "InvalidSnapshot.InUse"
        | "VolumeInUse"
        | "IncorrectState"
        | "IncorrectInstanceState"
        | "DeleteConflict" => Meaning::InUse,
        "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable" => {
            Meaning::Server
        }
        "InvalidAMIID.Unavailable"
        | "NoSuchBucket"
        | "NoSuchEntity"
        | "NoSuchUpload"
        | "ParameterNotFound"
        | "ParameterVersionNotFound"
        | "ResourceNotFoundException" => Meaning::Missing,
        "MaxSpotFleetRequestCountExceeded"
        | "MaxSpotInstanceCountExceeded"
        | "ResourceCountExceeded"
        | "ServiceQuotaExceeded"
        | "ServiceQuotaExceededException" => Meaning::Quota,
        code if code.ends_with(".NotFound") || code.ends_with(".NotFoundException") => {
            Meaning::Missing
        }
        code if code.ends_with("LimitExceeded") || code.ends_with("LimitExceededException") => {
            Meaning::Quota
        }
        _ => Meaning::Other,
    }
}

/// What an error means, where the service has answered.
pub(crate) fn answer<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<Meaning> {
    match error {
        SdkError::ServiceError(_) => Some(meaning(error.code().unwrap_or_default())),
        _ => None,
    }
}

/// The failure of a request: `action` as the API calls it (`RunInstances`), `attempt` in words (`start an instance`).
pub(crate) fn failed<E>(action: &str, attempt: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    // Of one that broke off nothing is known.
    let whole = |answer: &&HttpResponse| answer.body().bytes().is_some();
    let answer = match error {
        SdkError::ServiceError(_) => error.raw_response(),
        _ => error.raw_response().filter(whole),
    };
    let Some(answer) = answer else {
        return unanswered(action, attempt, error);
    };
    let Some(code) = error.code() else {
        let status = answer.status().as_u16();
        return uncoded(action, attempt, status, answer.body().bytes());
    };
    let message = error.message().unwrap_or("without a reason");
    let text = format!("cannot {attempt}: {action} answers {code}: {message}");
    let new = |class, id| Error::new(class, id, text.clone());
    match meaning(code) {
        Meaning::Account if has_expired(code) => Error::new(
            Class::Environment,
            "run/aws-account",
            format!("cannot {attempt}: the credentials have expired ({action} answers {code}: {message})"),
        )
        .help(
            "log in again (`aws sso login`, new keys in the environment), then go on where it stopped with `imgc apply -resume`, \
             or remove what it has left with `imgc gc`; a clock that is wrong looks the same",
        ),
        Meaning::Account => new(Class::Environment, "run/aws-account")
            .help("check the credentials with `aws sts get-caller-identity`"),
        Meaning::Denied => denied(action, attempt, message, &Place::default(), None),
        Meaning::Capacity => new(Class::Remote, "run/aws-capacity")
            .help("take another instance type or subnet, or a list of types: `spot_instance_types`"),
        Meaning::Quota => new(Class::Environment, "run/aws-quota")
            .help("free what is not needed any more, or ask for more under Service Quotas"),
        Meaning::Throttled => new(Class::Remote, "run/aws-throttled").transient(),
        Meaning::Missing => new(Class::Remote, "run/aws-missing").permanent(),
        Meaning::NameTaken if code != "InvalidAMIName.Duplicate" => {
            new(Class::Environment, TAKEN).help("give it another name, or remove what has it")
        }
        Meaning::NameTaken => new(Class::Environment, TAKEN).help(
            "give another `ami_name`, such as one with {{timestamp}} in it, or let the old image go with \
             `force_deregister = true`",
        ),
        Meaning::Server => new(Class::Remote, "run/aws-request").transient(),
        Meaning::InUse | Meaning::Other => new(Class::Remote, "run/aws-request").permanent(),
    }
}

/// An answer that is none of Amazon's: of a proxy, of something else that listens at the endpoint.
fn uncoded(action: &str, attempt: &str, status: u16, body: Option<&[u8]>) -> Error {
    let said = body.and_then(start_of);
    let said = said.map_or_else(String::new, |text| format!(": {text}"));
    let error = Error::new(
        Class::Remote,
        "run/aws-request",
        format!("cannot {attempt}: {action} answers HTTP {status}, without a code of Amazon's{said}"),
    )
    .help(
        "is it Amazon that answers? check `region`, an endpoint of its own (`custom_endpoint_ec2`, AWS_ENDPOINT_URL), and a \
         proxy (HTTPS_PROXY)",
    );
    // Too many, or a server in trouble; the rest answers the same again.
    match matches!(status, 408 | 429 | 500 | 502..=504) {
        true => error.transient(),
        false => error.permanent(),
    }
}

/// How the body of an answer begins, in a line, where it is text.
fn start_of(body: &[u8]) -> Option<String> {
    /// Letters that are shown.
    const SHOWN: usize = 120;
    let text = std::str::from_utf8(body).ok()?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.is_empty() || line.chars().any(char::is_control) {
        return None;
    }
    let mut shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    Some(shown)
}

/// Why there is no answer: the reasons that have words of their own, from the outermost to the first.
pub(crate) fn reasons(error: &(dyn std::error::Error + 'static)) -> String {
    /// What the SDK says where it only hands on.
    const EMPTY: &[&str] = &["dispatch failure", "io error", "other"];
    let mut texts: Vec<String> = Vec::new();
    for error in causes(error) {
        let text = error.to_string();
        if !EMPTY.contains(&text.as_str()) && !texts.iter().any(|said| said.contains(&text)) {
            texts.push(text);
        }
    }
    match texts.is_empty() {
        true => error.to_string(),
        false => texts.join(": "),
    }
}

/// An error and what has caused it.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// What is said where nobody is known who could ask.
pub(crate) const NO_CREDENTIALS: &str = "there are no credentials that can be used";

/// What TLS says of a server whose certificate is not believed.
pub(crate) const STRANGER: &str = "invalid peer certificate";

/// No answer came: no credentials, no way, no time.
fn unanswered(action: &str, attempt: &str, error: &(dyn std::error::Error + 'static)) -> Error {
    let credentials = causes(error).find_map(|cause| cause.downcast_ref::<CredentialsError>());
    if let Some(credentials) = credentials {
        let why = match credentials {
            CredentialsError::CredentialsNotLoaded(_) => LOOKED_AT.to_owned(),
            other => reasons(other),
        };
        return Error::new(
            Class::Environment,
            "run/aws-account",
            format!("cannot {attempt}: {NO_CREDENTIALS}: {why}"),
        )
        .help(
            "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with `aws sso login`; in a template: \
             `profile` or `assume_role`",
        );
    }
    let detail = reasons(error);
    let error = Error::new(
        Class::Remote,
        "run/aws-unreachable",
        format!("cannot {attempt}: {action} has no answer: {detail}"),
    );
    if detail.contains(STRANGER) {
        return error.permanent().help(
            "whoever answers shows a certificate that nobody here believes: name the file of your own authority, such as that of a \
             proxy which looks into what passes it, in AWS_CA_BUNDLE",
        );
    }
    error
        .transient()
    .help("check the network, a proxy (HTTPS_PROXY), `region`, and `custom_endpoint_ec2` if it is set")
}

/// Where the SDK looks for credentials.
const LOOKED_AT: &str = "none in the environment (AWS_ACCESS_KEY_ID), in the profile of ~/.aws/config and ~/.aws/credentials, by a \
     web identity (AWS_WEB_IDENTITY_TOKEN_FILE), from a container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI), or \
     from the metadata of an instance";

/// The refusal of an action: which, on what, for whom, and the statements that would allow it. `decoded` is what the account
/// has said about the encoded part of `message`.
pub(crate) fn denied(
    action: &str,
    attempt: &str,
    message: &str,
    place: &Place,
    decoded: Option<&str>,
) -> Error {
    let action = permission(action);
    let why = decoded.and_then(read_decoded).unwrap_or_else(|| {
        let said = message.split(ENCODED).next().unwrap_or_default();
        said.trim().trim_end_matches('.').to_owned()
    });
    let text = format!("cannot {attempt}: {action} is not allowed: {why}");
    let mut help = format!(
        "allow it with: {}; `imgc plan -iam` prints all that the build needs",
        statements(&action, place).join(", ")
    );
    if decoded.is_none() && message.contains(ENCODED) {
        help.push_str("; with sts:DecodeAuthorizationMessage the refusal would say more");
    }
    Error::new(Class::Environment, "run/aws-denied", text).help(help)
}

/// The part of a refusal that `sts:DecodeAuthorizationMessage` decodes.
pub(crate) fn encoded_part(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(ENCODED)?;
    rest.split_whitespace().next()
}

/// A decoded refusal in a sentence.
fn read_decoded(decoded: &str) -> Option<String> {
    let decoded: serde_json::Value = serde_json::from_str(decoded).ok()?;
    let context = &decoded["context"];
    let who = context["principal"]["arn"].as_str()?;
    let on = context["resource"].as_str()?;
    let why = match decoded["explicitDeny"].as_bool() {
        Some(true) => "a policy denies it explicitly",
        _ => "no policy allows it",
    };
    Some(format!("{why} for {who} on {on}"))
}

/// The account that a text is about: the first in an ARN.
pub(crate) fn account_in(text: &str) -> Option<String> {
    let arns = text.split("arn:").skip(1);
    let accounts = arns.filter_map(|arn| arn.split(':').nth(3));
    let mut accounts = accounts
        .filter(|account| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()));
    accounts.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_reference_says() {
        assert_eq!(meaning("InvalidAMIID.NotFound"), Meaning::Missing);
        assert_eq!(meaning("RequestLimitExceeded"), Meaning::Throttled);
        assert_eq!(meaning("VcpuLimitExceeded"), Meaning::Quota);
        assert_eq!(meaning("UnauthorizedOperation"), Meaning::Denied);
        assert_eq!(meaning("InvalidParameterValue"), Meaning::Other);
    }

    /// Not all of them end with `LimitExceeded`; what asks for too many requests is none.
    #[test]
    fn a_quota_has_many_names() {
        for code in [
            "InstanceLimitExceeded",
            "LimitExceededException",
            "MaxSpotFleetRequestCountExceeded",
            "MaxSpotInstanceCountExceeded",
            "ResourceCountExceeded",
            "ResourceLimitExceeded",
            "ServiceQuotaExceededException",
        ] {
            assert_eq!(meaning(code), Meaning::Quota, "{code}");
        }
        assert_eq!(meaning("RequestLimitExceeded"), Meaning::Throttled);
        assert_eq!(meaning("MaxSpotPriceExceeded"), Meaning::Other);
    }

    #[test]
    fn a_certificate_that_is_not_believed_is_not_waited_for() {
        let stranger = std::io::Error::other("invalid peer certificate: UnknownIssuer");
        let error = unanswered("DescribeImages", "find it", &stranger);
        assert!(!error.is_transient());
        assert!(
            error
                .help
                .is_some_and(|help| help.contains("AWS_CA_BUNDLE"))
        );
        let refused = std::io::Error::other("connection refused");
        assert!(unanswered("DescribeImages", "find it", &refused).is_transient());
    }

    #[test]
    fn rights_are_named_as_in_policies() {
        assert_eq!(permission("RunInstances"), "ec2:RunInstances");
        assert_eq!(permission("ssm:PutParameter"), "ssm:PutParameter");
    }

    /// The SDK puts the failure of a provider into others that only hand it on.
    #[derive(Debug)]
    struct Dispatch(CredentialsError);

    impl std::fmt::Display for Dispatch {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("dispatch failure")
        }
    }

    impl std::error::Error for Dispatch {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn without_credentials_it_is_said_where_they_were_looked_for() {
        let none = CredentialsError::not_loaded("no providers in chain provided credentials");
        let error = unanswered("DescribeImages", "find the image", &Dispatch(none));
        assert_eq!(
            (error.class, error.id),
            (Class::Environment, "run/aws-account")
        );
        for place in [
            "AWS_ACCESS_KEY_ID",
            "~/.aws/config",
            "metadata of an instance",
        ] {
            assert!(error.message.contains(place), "{}", error.message);
        }
        let broken = CredentialsError::invalid_configuration("the file has no end");
        let error = unanswered("DescribeImages", "find the image", &Dispatch(broken));
        assert!(
            error.message.ends_with(": the file has no end"),
            "{}",
            error.message
        );
        for debug in ["Dispatch", "{", "dispatch failure"] {
            assert!(!error.message.contains(debug), "{}", error.message);
        }
    }

    #[test]
    fn an_answer_without_a_code_is_told_by_its_status_and_its_beginning() {
        let page = format!("<html>\n<body>Not {}</body>", "here ".repeat(40));
        let error = uncoded(
            "DescribeImages",
            "find the image",
            404,
            Some(page.as_bytes()),
        );
        let start = "cannot find the image: DescribeImages answers HTTP 404, without a code of Amazon's: <html> <body>Not here";
        assert!(error.message.starts_with(start), "{}", error.message);
        assert!(error.message.ends_with('…') && error.message.len() < 260);
        assert!(!error.is_transient());
        let error = uncoded("DescribeImages", "find the image", 502, Some(b"\xff\0"));
        assert!(error.message.ends_with("without a code of Amazon's"));
        assert!(error.is_transient());
    }

    const REFUSAL: &str = "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/ci is not \
        authorized to perform: ec2:StopInstances on resource: arn:aws:ec2:eu-west-1:123456789012:instance/i-1 because no \
        identity-based policy allows the ec2:StopInstances action. Encoded authorization failure message: bG9uZw";

    #[test]
    fn a_refusal_says_what_would_allow_it_and_spares_the_encoded_part() {
        let place = Place {
            region: "eu-west-1".to_owned(),
            account: account_in(REFUSAL),
        };
        let error = denied("StopInstances", "stop the instance", REFUSAL, &place, None);
        assert!(error.message.starts_with(
            "cannot stop the instance: ec2:StopInstances is not allowed: You are not"
        ));
        assert!(!error.message.contains("bG9uZw"), "{}", error.message);
        let help = error.help.unwrap_or_default();
        assert!(
            help.contains("arn:aws:ec2:eu-west-1:123456789012:instance/*"),
            "{help}"
        );
        assert!(help.contains("sts:DecodeAuthorizationMessage"), "{help}");
        assert_eq!(encoded_part(REFUSAL), Some("bG9uZw"));
    }

    #[test]
    fn a_decoded_refusal_is_a_sentence() {
        let decoded = r#"{"allowed": false, "explicitDeny": true, "context": {
            "principal": {"arn": "arn:aws:iam::123456789012:user/ci"}, "action": "ec2:StopInstances",
            "resource": "arn:aws:ec2:eu-west-1:123456789012:instance/i-1"}}"#;
        let error = denied(
            "StopInstances",
            "stop the instance",
            REFUSAL,
            &Place::default(),
            Some(decoded),
        );
        assert_eq!(
            error.message,
            "cannot stop the instance: ec2:StopInstances is not allowed: a policy denies it explicitly for \
             arn:aws:iam::123456789012:user/ci on arn:aws:ec2:eu-west-1:123456789012:instance/i-1"
        );
    }
}
