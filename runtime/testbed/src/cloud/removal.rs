//! What cannot be removed because something else needs it.

use super::answer::Answer;
use super::ec2::{Outcome, ask};
use super::request::Request;
use super::server::Shared;
use super::stock;

/// `DeleteSecurityGroup`: not while an instance is in it that has not ended, nor while another group's rule names it.
pub(crate) async fn group(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let mut id = request.parameter("GroupId").to_owned();
    let name = request.parameter("GroupName");
    if id.is_empty() && !name.is_empty() {
        let asked = [("Filter.1.Name", "group-name"), ("Filter.1.Value.1", name)];
        let named = ask(shared, request, "DescribeSecurityGroups", &asked).await?;
        id = named
            .texts("groupId")
            .into_iter()
            .next()
            .unwrap_or_default();
    }
    if shared.state().is_used(&id) {
        let message = format!("resource {id} has a dependent object");
        return Err(Answer::error(request, 400, "DependencyViolation", &message));
    }
    if shared.state().named_groups.contains(&id) {
        check_rules(shared, request, &id).await?;
    }
    Ok(shared.send(request).await)
}

/// No rule of another group may name this one.
async fn check_rules(shared: &Shared, request: &Request, id: &str) -> Outcome<()> {
    let groups = ask(shared, request, "DescribeSecurityGroups", &[]).await?;
    for group in groups.items("securityGroupInfo") {
        let rules = ["ipPermissions", "ipPermissionsEgress"];
        let mut named = rules.iter().flat_map(|rules| {
            let rules = group.items(rules).iter();
            rules.flat_map(|rule| rule.items("groups"))
        });
        let other = group.text_at("groupId");
        if other != id && named.any(|pair| pair.text_at("groupId") == id) {
            let message = format!("{id} is in use by {other}");
            return Err(Answer::error(request, 400, "InvalidGroup.InUse", &message));
        }
    }
    Ok(())
}

/// `DeleteSnapshot`: not while an image needs it.
pub(crate) async fn snapshot(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let id = request.parameter("SnapshotId");
    let image = shared.state().image_of(id).map(str::to_owned);
    if let Some(image) = image.filter(|image| !stock::is_stock(image)) {
        let message = format!("The snapshot {id} is currently in use by {image}");
        return Err(Answer::error(
            request,
            400,
            "InvalidSnapshot.InUse",
            &message,
        ));
    }
    let answer = shared.send(request).await;
    if answer.is_ok() {
        let mut state = shared.state();
        state.snapshots.remove(id);
        state.passing.remove(id);
    }
    Ok(answer)
}
