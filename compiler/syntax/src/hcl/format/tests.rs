#![allow(clippy::unwrap_used)]

use super::format;

#[test]
fn neighbouring_lines_are_aligned() {
    insta::assert_snapshot!(format("locals {\na=1\nbcd =2 # x\n\n\n\te  = 3 // y\n  # own\nff= 4\nyé=\"日本\"#z\n}"), @r#"
    locals {
      a   = 1
      bcd = 2 # x


      e = 3 // y
      # own
      ff = 4
      yé = "日本" #z
    }
    "#);
}

#[test]
fn what_goes_on_below_is_aligned_with_nothing() {
    insta::assert_snapshot!(format("a = {\nb=1\nccc =[1,\n2]\nd=[{\ne=1\n},{\nff=1\n}]\n}\nlong = f(\n1,\n2\n)\n"), @"
    a = {
      b = 1
      ccc = [1,
      2]
      d = [{
        e = 1
        }, {
        ff = 1
      }]
    }
    long = f(
      1,
      2
    )
    ");
}

#[test]
fn expressions() {
    insta::assert_snapshot!(format(
        "a= ! x&& - 1<- y\nb=[for x in[1,2]:x if(x)]\nc={for k,v in{a=1}:k=>-v...}\n\
         d=f (1, g( 2 ),x ... )\ne=a . b [0] [ * ].c. * . d.0\nf=x?[1]:(2)\ng={ }\nh=[ ]\ni={a=1,b:2}\n\
         j=\"${ x }-${~ {} ~}%{ if x }a%{ else }$${b}%{ endif }\"\nk=/*c*/1/*d*/\nl=core :: f(1)\n"
    ), @r#"
    a = !x && -1 < -y
    b = [for x in [1, 2] : x if (x)]
    c = { for k, v in { a = 1 } : k => -v... }
    d = f(1, g(2), x...)
    e = a.b[0][*].c.*.d.0
    f = x ? [1] : (2)
    g = {}
    h = []
    i = { a = 1, b : 2 }
    j = "${x}-${~ {} ~}%{if x}a%{else}$${b}%{endif}"
    k = /*c*/ 1 /*d*/
    l = core::f(1)
    "#);
}

#[test]
fn the_text_of_heredocs_stays() {
    insta::assert_snapshot!(format("b {\na=<<-X\n      one ${ x }   two\n  \tthree\n    X\nbbb =f(<<Y\n   ${\n  x}  y\nY\n)\n c=1\n}\n"), @"
    b {
      a = <<-X
          one ${x}   two
      	three
        X
      bbb = f(<<Y
       ${
        x}  y
    Y
      )
      c = 1
    }
    ");
}

#[test]
fn line_ends_stay_and_blanks_before_them_go() {
    assert_eq!(
        format("\u{feff}a=1  \r\n\r\n  \nbb = 2\t#x \r\n  "),
        "a = 1\r\n\r\n\nbb = 2 #x \r\n"
    );
    assert_eq!(format(""), "");
    assert_eq!(format("a=1"), "a = 1");
}

#[test]
fn a_text_with_errors_is_left_alone() {
    for text in ["a=\n", "b{\n", "a = [1,,2]\n"] {
        assert_eq!(format(text), text);
        assert_eq!(crate::hcl::parse(text).formatted(), None);
    }
}
