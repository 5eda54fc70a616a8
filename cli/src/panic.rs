//! What is said when imgc itself is wrong: short, with the way to report it.

use std::panic::PanicHookInfo;

use crate::terminal::complain;

/// Replaces the standard report, which speaks to programmers.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|info| complain(&report(info))));
}

/// For a server, whose log is what people read.
pub(crate) fn install_in_log() {
    std::panic::set_hook(Box::new(|info| log::error!("{}", report(info))));
}

fn report(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info.location().map_or(String::new(), |location| {
        format!(" ({}:{})", location.file(), location.line())
    });
    format!(
        "error: imgc has made a mistake: {message}{place}\n  \
         This is a bug in imgc {}, not in your template. Please report these lines, with the template if you may \
         show it.\n",
        env!("CARGO_PKG_VERSION")
    )
}
