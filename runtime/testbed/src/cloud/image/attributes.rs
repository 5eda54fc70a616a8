//! What is changed of an image after it was made, and its end.

use crate::cloud::answer::Answer;
use crate::cloud::describe;
use crate::cloud::ec2::{Outcome, ask};
use crate::cloud::request::Request;
use crate::cloud::server::Shared;
use crate::cloud::xml::Element;

/// `DeregisterImage`.
pub(crate) async fn deregister(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let id = request.parameter("ImageId").to_owned();
    let facts = shared.state().images.get(&id).cloned().unwrap_or_default();
    if facts.protected {
        let message = format!("You do not have permission to deregister {id}: it is protected");
        return Err(Answer::error(
            request,
            400,
            "OperationNotPermitted",
            &message,
        ));
    }
    let answer = shared.send(request).await;
    if !answer.is_ok() {
        return Ok(answer);
    }
    {
        let mut state = shared.state();
        state.images.remove(&id);
        state.names.retain(|_, image| *image != id);
        state.passing.remove(&id);
    }
    let mut results = Vec::new();
    let is_known = !shared.behaviour().keeps_snapshots;
    if is_known && request.parameter("DeleteAssociatedSnapshots") == "true" {
        for disk in facts.disks.iter().filter(|disk| !disk.snapshot.is_empty()) {
            let asked = [("SnapshotId", disk.snapshot.as_str())];
            let deleted = ask(shared, request, "DeleteSnapshot", &asked).await;
            let code = if deleted.is_ok() {
                "success"
            } else {
                "internal-error"
            };
            let snapshot = Element::with_text("snapshotId", &disk.snapshot);
            let code = Element::with_text("returnCode", code);
            results.push(Element::with_children("item", vec![snapshot, code]));
        }
    }
    let results = Element::with_children("deleteSnapshotResultSet", results);
    let done = Element::with_text("return", "true");
    Ok(Answer::ec2("DeregisterImage", vec![done, results]))
}

/// `ModifySnapshotAttribute`, whose permissions may be said in two ways: moto knows the older one.
pub(crate) async fn permit(shared: &Shared, request: &Request) -> Outcome<Answer> {
    const PERMISSION: &str = "CreateVolumePermission";
    if !request
        .parameters
        .keys()
        .any(|name| name.starts_with(PERMISSION))
    {
        return Ok(shared.send(request).await);
    }
    let done = Element::with_text("return", "true");
    for (change, operation) in [("Add", "add"), ("Remove", "remove")] {
        let mut asked = vec![
            (
                "SnapshotId".to_owned(),
                request.parameter("SnapshotId").to_owned(),
            ),
            ("OperationType".to_owned(), operation.to_owned()),
        ];
        let given = asked.len();
        for (old, new) in [("UserId", "UserId"), ("Group", "UserGroup")] {
            let named = (1..).map(|at| format!("{PERMISSION}.{change}.{at}.{old}"));
            let named = named.map_while(|name| request.parameters.get(&name));
            let named = named.enumerate();
            asked.extend(named.map(|(at, who)| (format!("{new}.{}", at + 1), who.clone())));
        }
        if asked.len() > given {
            let asked: Vec<(&str, &str)> = asked
                .iter()
                .map(|(name, text)| (&**name, &**text))
                .collect();
            ask(shared, request, "ModifySnapshotAttribute", &asked).await?;
        }
    }
    Ok(Answer::ec2("ModifySnapshotAttribute", vec![done]))
}

/// `ModifyImageAttribute`: moto does launch permissions.
pub(crate) async fn modify(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let id = request.parameter("ImageId");
    if !shared.state().is_made(request, id) {
        describe::image(shared, request, id).await?;
    }
    let attribute = request.parameter("Attribute");
    let new = [
        ("ImdsSupport", "imdsSupport"),
        ("Description", "description"),
    ]
    .into_iter()
    .find_map(|(name, shown)| {
        let value = request.parameters.get(&format!("{name}.Value"));
        let named = (attribute == shown).then(|| request.parameters.get("Value"));
        Some((shown, value.or(named.flatten())?))
    });
    let Some((shown, value)) = new else {
        return Ok(shared.send(request).await);
    };
    let mut state = shared.state();
    let facts = state.images.entry(id.to_owned()).or_default();
    facts.shown.insert(shown.to_owned(), value.clone());
    Ok(Answer::done("ModifyImageAttribute"))
}

/// `DescribeImageAttribute`: what moto does not know comes from how the image is shown.
pub(crate) async fn describe(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let id = request.parameter("ImageId");
    let image = describe::image(shared, request, id).await?;
    let attribute = request.parameter("Attribute");
    if !matches!(
        attribute,
        "imdsSupport" | "description" | "deregistrationProtection"
    ) {
        return Ok(shared.send(request).await);
    }
    let id = Element::with_text("imageId", id);
    let value = Element::with_text("value", image.text_at(attribute));
    let value = Element::with_children(attribute, vec![value]);
    Ok(Answer::ec2("DescribeImageAttribute", vec![id, value]))
}

/// The actions that switch something of an image on and off.
pub(crate) async fn switch(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let id = request.parameter("ImageId").to_owned();
    describe::image(shared, request, &id).await?;
    let action = request.action.as_str();
    let mut state = shared.state();
    let facts = state.images.entry(id.clone()).or_default();
    let mut show = |name: &str, text: &str| {
        facts.shown.insert(name.to_owned(), text.to_owned());
    };
    match action {
        "EnableImage" => show("imageState", "available"),
        "DisableImage" => show("imageState", "disabled"),
        "EnableImageDeprecation" => show("deprecationTime", request.parameter("DeprecateAt")),
        "DisableImageDeprecation" => show("deprecationTime", ""),
        "EnableImageDeregistrationProtection" => facts.protected = true,
        "DisableImageDeregistrationProtection" => {
            facts.protected = false;
            show("deregistrationProtection", "");
        }
        "EnableFastLaunch" => {
            let launches = match request.parameter("MaxParallelLaunches") {
                "" => "6",
                launches => launches,
            };
            state.fast.insert(id.clone(), launches.to_owned());
        }
        _ => {
            state.fast.remove(&id);
        }
    }
    if action.ends_with("FastLaunch") {
        let enabled = action == "EnableFastLaunch";
        let id = Element::with_text("imageId", id);
        let text = if enabled { "enabling" } else { "disabling" };
        return Ok(Answer::ec2(
            action,
            vec![id, Element::with_text("state", text)],
        ));
    }
    Ok(Answer::done(action))
}

/// `DescribeFastLaunchImages`.
pub(crate) fn describe_fast_launch(shared: &Shared) -> Answer {
    let images = shared.state().fast.clone().into_iter();
    let images = images.map(|(id, launches)| {
        let members = vec![
            Element::with_text("imageId", id),
            Element::with_text("state", "enabled"),
            Element::with_text("maxParallelLaunches", launches),
        ];
        Element::with_children("item", members)
    });
    let set = Element::with_children("fastLaunchImageSet", images.collect());
    Answer::ec2("DescribeFastLaunchImages", vec![set])
}
