//! What a thing looks like: moto's element, with the state it passes through and what moto does not know of it.

use super::machines::Fleet;
use super::state::{Disk, State};
use super::stock;
use super::xml::Element;

/// An image.
pub(crate) fn image(image: &mut Element, state: &mut State) {
    let id = image.text_at("imageId").to_owned();
    let passing = state.passing(&id);
    if let Some(facts) = state.images.get(&id) {
        let old = image.items("blockDeviceMapping").first().cloned();
        let disks = facts.disks.iter();
        let disks = disks.map(|disk| self::disk(disk, old.as_ref())).collect();
        image.child_mut("blockDeviceMapping").children = disks;
        for (path, text) in &facts.shown {
            if text.is_empty() {
                image.remove(path);
            } else {
                image.set(path, text);
            }
        }
        if facts.protected {
            image.set("deregistrationProtection", "enabled-without-cooldown");
        }
    }
    if let Some((name, _)) = passing {
        image.set("imageState", name);
    }
}

fn disk(disk: &Disk, old: Option<&Element>) -> Element {
    let mut mapping = Element::new("item");
    mapping.set("deviceName", &disk.device);
    if !disk.virtual_name.is_empty() {
        mapping.set("virtualName", &disk.virtual_name);
        return mapping;
    }
    // The snapshot of the stock images' only disk is moto's.
    let snapshot = if disk.snapshot.is_empty() {
        old.map_or("", |old| old.text_at("ebs/snapshotId"))
    } else {
        &disk.snapshot
    };
    if !snapshot.is_empty() {
        mapping.set("ebs/snapshotId", snapshot);
    }
    mapping.set("ebs/volumeSize", &disk.size);
    mapping.set("ebs/volumeType", &disk.kind);
    mapping.set("ebs/deleteOnTermination", (!disk.keep).to_string());
    mapping.set("ebs/encrypted", disk.encrypted.to_string());
    mapping
}

/// A snapshot.
pub(crate) fn snapshot(snapshot: &mut Element, state: &mut State) {
    let id = snapshot.text_at("snapshotId").to_owned();
    if let Some(facts) = state.snapshots.get(&id) {
        for (path, text) in &facts.shown {
            snapshot.set(path, text);
        }
    }
    // moto's snapshots of the stock images are all of one size.
    let description = snapshot.text_at("description");
    let of_stock = description
        .rsplit(' ')
        .next()
        .filter(|id| stock::is_stock(id));
    let disk = of_stock.and_then(|id| state.images.get(id)?.disks.first());
    if let Some(disk) = disk {
        snapshot.set("volumeSize", &disk.size);
    }
    if let Some((name, percent)) = state.passing(&id) {
        snapshot.set("status", name);
        snapshot.set("progress", format!("{percent}%"));
    }
}

/// A volume.
pub(crate) fn volume(volume: &mut Element, state: &mut State) {
    if let Some((name, _)) = state.passing(volume.text_at("volumeId")) {
        volume.set("status", name);
    }
}

/// The number that goes with the name of an instance's state.
pub(crate) fn code(name: &str) -> &'static str {
    match name {
        "pending" => "0",
        "shutting-down" => "32",
        "stopping" => "64",
        _ => "16",
    }
}

/// An instance.
pub(crate) fn instance(instance: &mut Element, state: &mut State, fleet: &Fleet) {
    let id = instance.text_at("instanceId").to_owned();
    if let Some(shown) = state.instances.get(&id) {
        for (path, text) in shown {
            instance.set(path, text);
        }
    }
    let passing = state.passing(&id);
    if let Some((name, _)) = passing {
        instance.set("instanceState/name", name);
        instance.set("instanceState/code", code(name));
    }
    let name = instance.text_at("instanceState/name");
    if matches!(name, "pending" | "stopped" | "terminated") {
        unaddressed(instance);
    } else if let Some(address) = fleet.address(&id) {
        addressed(instance, &address.to_string());
    }
}

/// Takes the public addresses from an instance and its interfaces.
pub(crate) fn unaddressed(element: &mut Element) {
    for public in ["association", "dnsName", "ipAddress"] {
        element.remove(public);
    }
    element.children.iter_mut().for_each(unaddressed);
}

/// Gives an instance and its interfaces the address of its machine; what has no public address keeps none.
fn addressed(element: &mut Element, address: &str) {
    let is_address = matches!(
        element.name.as_str(),
        "dnsName"
            | "ipAddress"
            | "privateDnsName"
            | "privateIpAddress"
            | "publicDnsName"
            | "publicIp"
    );
    if is_address && !element.text.is_empty() {
        address.clone_into(&mut element.text);
    }
    for child in &mut element.children {
        addressed(child, address);
    }
}

/// What `DescribeInstanceStatus` says of an instance.
pub(crate) fn status(status: &mut Element, state: &mut State) {
    if let Some((name, _)) = state.passing(status.text_at("instanceId")) {
        status.set("instanceState/name", name);
        status.set("instanceState/code", code(name));
        for path in ["instanceStatus/status", "systemStatus/status"] {
            status.set(path, "initializing");
        }
    }
}
