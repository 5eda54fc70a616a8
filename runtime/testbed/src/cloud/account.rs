//! The other services: moto answers, but for what it does not know.

use serde_json::json;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::faults;
use super::request::Request;
use super::server::Shared;
use super::stock;
use super::xml::Element;

/// The quota of vCPUs of on-demand instances of the standard families.
const VCPUS: &str = "L-1216C47A";

/// What a new account may use of it in the big regions.
const USUAL_VCPUS: u32 = 1152;

/// Answers a request that is allowed.
pub(crate) async fn serve(shared: &Shared, request: &Request, behaviour: &Behaviour) -> Answer {
    let code = request.parameter("QuotaCode");
    match (request.service.as_str(), request.action.as_str()) {
        ("sts", "DecodeAuthorizationMessage") => decode(request),
        ("sts", "AssumeRole" | "AssumeRoleWithWebIdentity" | "AssumeRoleWithSAML") => {
            assume(shared, request).await
        }
        ("iam", "SimulatePrincipalPolicy") => simulate(request, behaviour),
        ("servicequotas", "GetServiceQuota") if code == VCPUS => quota(behaviour),
        ("pricing", "GetProducts") => products(request),
        ("ssm", "StartSession") => session(shared, request),
        ("ssm", "TerminateSession") => {
            let id = body(request)["SessionId"].clone();
            Answer::json(&json!({ "SessionId": id }))
        }
        ("ssm", "GetParameter") if stock_image(request).is_some() => public_parameter(request),
        ("ssm", "DescribeParameters") if of_type(request).is_some() => {
            parameters(shared, request).await
        }
        ("s3", "CompleteMultipartUpload") => {
            let mut answer = shared.send(request).await;
            // moto calls it a response, which a client that looks at the name of the element takes for an error.
            let text = String::from_utf8_lossy(&answer.body);
            let text = text.replace(
                "CompleteMultipartUploadResponse",
                "CompleteMultipartUploadResult",
            );
            answer.body = text.into();
            answer
        }
        ("iam", "CreateInstanceProfile") => {
            let answer = shared.send(request).await;
            if answer.is_ok() {
                let name = request.parameter("InstanceProfileName");
                let delay = behaviour.waits.visible;
                shared.state().hide(&profile(request, name), delay);
            }
            answer
        }
        _ => shared.send(request).await,
    }
}

/// What the policies allow: all but what is denied.
fn simulate(request: &Request, behaviour: &Behaviour) -> Answer {
    let members = |list: &str| {
        let members = (1..).map(|at| request.parameter(&format!("{list}.member.{at}")));
        let members: Vec<&str> = members.take_while(|one| !one.is_empty()).collect();
        members
    };
    let text = Element::with_text;
    let resources = members("ResourceArns");
    let results = members("ActionNames").into_iter().flat_map(|action| {
        let decision = match behaviour.denied.iter().any(|one| one == action) {
            true => "implicitDeny",
            false => "allowed",
        };
        resources.iter().map(move |resource| {
            // Of resources that are named Amazon says beside each what it would have to know.
            let missing = behaviour.unsure.iter().filter(|one| *one == action);
            let missing = missing.map(|_| text("member", "aws:SourceIp")).collect();
            let own = vec![
                text("EvalResourceName", resource),
                text("EvalResourceDecision", decision),
                Element::with_children("MissingContextValues", missing),
            ];
            let own = vec![Element::with_children("member", own)];
            let parts = vec![
                text("EvalActionName", action),
                text("EvalResourceName", resource),
                text("EvalDecision", decision),
                Element::with_children("ResourceSpecificResults", own),
            ];
            Element::with_children("member", parts)
        })
    });
    let results = Element::with_children("EvaluationResults", results.collect());
    let result = vec![text("IsTruncated", "false"), results];
    let result = Element::with_children("SimulatePrincipalPolicyResult", result);
    let name = "SimulatePrincipalPolicyResponse";
    Answer::xml(&Element::with_children(name, vec![result]))
}

fn body(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// A session that forwards a port: the stream's address is that of the machine, for whoever stands in for Amazon's program.
fn session(shared: &Shared, request: &Request) -> Answer {
    let body = body(request);
    let instance = body["Target"].as_str().unwrap_or_default();
    let port = body["Parameters"]["portNumber"][0].as_str();
    let (Some(address), Some(port)) = (shared.fleet.address(instance), port) else {
        let message = format!("{instance} is not connected.");
        return Answer::error(request, 400, "TargetNotConnected", &message);
    };
    Answer::json(&json!({
        "SessionId": format!("testbed-{instance}"),
        "StreamUrl": format!("ws://{address}:{port}/"),
        "TokenValue": "token-of-the-session",
    }))
}

/// How an instance profile is remembered.
pub(crate) fn profile(request: &Request, name: &str) -> String {
    format!("profile/{}/{name}", request.account)
}

fn decode(request: &Request) -> Answer {
    let message = request.parameter("EncodedMessage");
    let Some(message) = faults::decode_refusal(message) else {
        return Answer::error(
            request,
            400,
            "InvalidAuthorizationMessageException",
            "The message cannot be decoded",
        );
    };
    let result = Element::with_text("DecodedMessage", message);
    let result = Element::with_children("DecodeAuthorizationMessageResult", vec![result]);
    let name = "DecodeAuthorizationMessageResponse";
    Answer::xml(&Element::with_children(name, vec![result]))
}

/// Assumes a role: who uses its credentials is of the role's account.
async fn assume(shared: &Shared, request: &Request) -> Answer {
    let answer = shared.send(request).await;
    let role = request.parameter("RoleArn").split(':').nth(4);
    let tree = answer.tree();
    let key = tree.map(|tree| tree.texts("AccessKeyId"));
    let key = key.and_then(|keys| keys.into_iter().next());
    if let (Some(account), Some(key)) = (role, key) {
        shared.state().assumed.insert(key, account.to_owned());
    }
    answer
}

/// The stock image that a public parameter stands for; moto's name images that are not there.
fn stock_image(request: &Request) -> Option<&'static str> {
    let name = request.parameter("Name").strip_prefix("/aws/service/")?;
    let is_arm = name.contains("arm64");
    match name.split('/').next()? {
        "ami-amazon-linux-latest" if !is_arm => Some(stock::AMAZON_LINUX),
        "ami-windows-latest" => Some(stock::WINDOWS),
        "canonical" if is_arm => Some(stock::UBUNTU_ARM),
        "canonical" => Some(stock::UBUNTU),
        _ => None,
    }
}

/// The data type that parameters are asked for by, which moto knows no filter for.
fn of_type(request: &Request) -> Option<&str> {
    let is_it = request.parameter("ParameterFilters.1.Key") == "DataType";
    is_it.then(|| request.parameter("ParameterFilters.1.Values.1"))
}

/// `DescribeParameters` by data type, in one page.
async fn parameters(shared: &Shared, request: &Request) -> Answer {
    let wanted = of_type(request).unwrap_or_default();
    let mut found = Vec::new();
    let mut next = serde_json::Value::Null;
    loop {
        let mut all = Request::internal("ssm", &request.account, &request.region);
        let body = json!({"NextToken": next.as_str().unwrap_or_default()}).to_string();
        all.target("AmazonSSM.DescribeParameters", body);
        let answer = shared.send(&all).await;
        let Ok(page) = serde_json::from_slice::<serde_json::Value>(&answer.body) else {
            return answer;
        };
        let members = page["Parameters"].as_array().cloned().unwrap_or_default();
        found.extend(members.into_iter().filter(|one| one["DataType"] == wanted));
        next = page["NextToken"].clone();
        if next.is_null() {
            return Answer::json(&json!({"Parameters": found}));
        }
    }
}

fn public_parameter(request: &Request) -> Answer {
    let name = request.parameter("Name");
    Answer::json(&json!({"Parameter": {
        "ARN": format!("arn:aws:ssm:{}::parameter{name}", request.region),
        "DataType": "aws:ec2:image",
        "Name": name,
        "Type": "String",
        "Value": stock_image(request),
        "Version": 1,
    }}))
}

/// Products of the price list: instance type, operation, tenancy, US dollars of an hour in us-east-1, as the list of 2026 has them.
const PRODUCTS: &[(&str, &str, &str, &str)] = &[
    ("t3.micro", "RunInstances", "Shared", "0.0104000000"),
    ("t3.micro", "RunInstances:0002", "Shared", "0.0196000000"),
    ("m5.large", "RunInstances", "Shared", "0.0960000000"),
    ("m5.large", "RunInstances", "Dedicated", "0.1020000000"),
];

/// `GetProducts` of EC2, which moto does not have: an exact match of each field.
fn products(request: &Request) -> Answer {
    let body = body(request);
    let filters = body["Filters"].as_array();
    let field = |name: &str| {
        let mut filters = filters.into_iter().flatten();
        let filter = filters.find(|filter| filter["Field"] == name);
        filter.map_or("", |filter| filter["Value"].as_str().unwrap_or_default())
    };
    let is_here = field("regionCode") == "us-east-1" && field("capacitystatus") == "Used";
    let wanted = (field("instanceType"), field("operation"), field("tenancy"));
    let found = PRODUCTS
        .iter()
        .filter(|(kind, operation, tenancy, _)| is_here && (*kind, *operation, *tenancy) == wanted);
    let list: Vec<String> = found
        .map(|(kind, operation, tenancy, price)| {
            let hours = json!({
                "unit": "Hrs",
                "rateCode": "SKU.TERM.RATE",
                "beginRange": "0",
                "endRange": "Inf",
                "description": format!("${price} per {kind} instance hour"),
                "pricePerUnit": {"USD": price},
            });
            let terms = json!({"SKU.TERM": {"priceDimensions": {"SKU.TERM.RATE": hours}}});
            let attributes = json!({
                "instanceType": kind,
                "operation": operation,
                "tenancy": tenancy,
                "regionCode": "us-east-1",
                "capacitystatus": "Used",
                "marketoption": "OnDemand",
            });
            let product = json!({"productFamily": "Compute Instance", "sku": "SKU", "attributes": attributes});
            json!({"serviceCode": "AmazonEC2", "product": product, "terms": {"OnDemand": terms}})
                .to_string()
        })
        .collect();
    Answer::json(&json!({"FormatVersion": "aws_v1", "PriceList": list}))
}

fn quota(behaviour: &Behaviour) -> Answer {
    Answer::json(&json!({"Quota": {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaCode": VCPUS,
        "QuotaName": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        "Value": f64::from(behaviour.vcpus.unwrap_or(USUAL_VCPUS)),
        "Unit": "None",
        "Adjustable": true,
        "GlobalQuota": false,
    }}))
}
