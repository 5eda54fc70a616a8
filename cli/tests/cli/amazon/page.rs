//! `docs/amazon.md`: its templates are valid, the first one builds, and what it says of Packer is what was measured.

use imgc_testbed::Cloud;

use super::{behaviour, of, user};

fn page() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/amazon.md");
    std::fs::read_to_string(page).unwrap()
}

fn blocks(page: &str) -> Vec<&str> {
    let blocks = page.split("```hcl\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_templates_of_the_page_are_valid() {
    let cloud = Cloud::start().unwrap();
    let page = page();
    let blocks = blocks(&page);
    assert!(blocks.len() >= 3, "{}", blocks.len());
    for block in blocks {
        let printed = of(&cloud, block).run(&["validate", "-color=false", "."]);
        assert_eq!(printed.code, 0, "{block}\n{}", printed.text());
        let planned = of(&cloud, block).run(&["plan", "-color=false", "."]);
        assert_eq!(planned.code, 0, "{block}\n{}", planned.text());
    }
}

#[test]
fn the_first_template_of_the_page_makes_an_image() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let page = page();
    // Its machine has another login here, at another port.
    let login = format!(
        "ssh_username = {:?}\n  ssh_port = {}",
        user(),
        cloud.ssh_port()
    );
    let text = blocks(&page)[0].replace("ssh_username  = \"ubuntu\"", &login);
    let printed = of(&cloud, &text).run(&["apply", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
    let line = format!("us-east-1: {}", left.of("image")[0].id);
    let said = "--> amazon-ebs.web: AMIs were created:\n";
    assert!(page.contains(said), "the page shows the line");
    // With an empty line after it, as in Packer: people take the image with `tail -n 2 | head -n 1`.
    assert!(
        printed.stdout.ends_with(&format!("{said}{line}\n\n")),
        "{}",
        printed.text()
    );
}
