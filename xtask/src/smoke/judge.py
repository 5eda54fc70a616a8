# What `cargo xtask aws-smoke` asks Amazon beside imgc, which is not to judge itself: `look IMAGE` prints what the image is as JSON,
# `deregister IMAGE` lets it go with its snapshots. Credentials and endpoint are found as the AWS command line finds them.
import json
import sys

import boto3

task, region, image = sys.argv[1:]
ec2 = boto3.client("ec2", region_name=region)
images = ec2.describe_images(ImageIds=[image], Owners=["self"])["Images"]
snapshots = [
    mapping["Ebs"]["SnapshotId"]
    for found in images
    for mapping in found["BlockDeviceMappings"]
    if "SnapshotId" in mapping.get("Ebs", {})
]
if task == "look":
    found = images[0]
    described = ec2.describe_snapshots(SnapshotIds=snapshots)["Snapshots"]
    things = [found] + described
    print(
        json.dumps(
            {
                "name": found["Name"],
                "state": found["State"],
                "architecture": found["Architecture"],
                "public": found["Public"],
                "metadata": found.get("ImdsSupport", ""),
                "tags": [{tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])} for thing in things],
                "snapshots": len(described),
            }
        )
    )
elif task == "deregister":
    ec2.deregister_image(ImageId=image)
    for snapshot in snapshots:
        ec2.delete_snapshot(SnapshotId=snapshot)
    print("{}")
else:
    sys.exit(f"there is no task {task}")
