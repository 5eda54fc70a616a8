//! HCL: lexer, parser, typed views.
