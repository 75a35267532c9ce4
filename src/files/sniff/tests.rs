//! Crafted files: what they are told to be, and that no disguise makes a program harmless.

use std::io::Cursor;

use super::*;

fn of(bytes: &[u8]) -> Sniffed {
    sniff(Cursor::new(bytes)).expect("memory can be read")
}

fn utf16(text: &str, is_little: bool) -> Vec<u8> {
    let (mark, bytes): (_, fn(u16) -> [u8; 2]) = match is_little {
        true => ([0xff, 0xfe], u16::to_le_bytes),
        false => ([0xfe, 0xff], u16::to_be_bytes),
    };
    let units = text.encode_utf16().flat_map(bytes);
    mark.into_iter().chain(units).collect()
}

const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04";
const PDF: &[u8] = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n";
const ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

#[test]
fn what_people_send_is_told_by_its_bytes() {
    for (bytes, mime, nature) in [
        (PNG, "image/png", Nature::Image),
        (JPEG, "image/jpeg", Nature::Image),
        (GIF, "image/gif", Nature::Image),
        (PDF, "application/pdf", Nature::Document),
        (ZIP, "application/zip", Nature::Archive),
        (b"ID3\x03\0\0\0\0\0\x0a\0\0", "audio/mpeg", Nature::Audio),
        (
            b"\x1f\x8b\x08\0\0\0\0\0",
            "application/gzip",
            Nature::Archive,
        ),
        (b"name,phone\nAnn,1\n", PLAIN, Nature::Document),
        (
            "Gr\u{fc}\u{df}e & 1 < 2".as_bytes(),
            PLAIN,
            Nature::Document,
        ),
        (b"\0\x01\x02\x03", UNKNOWN, Nature::Other),
        (b"", UNKNOWN, Nature::Other),
    ] {
        let found = of(bytes);
        assert_eq!((&*found.mime, found.nature), (mime, nature), "{bytes:?}");
    }
}

#[test]
fn text_whose_first_letters_are_a_magic_is_text() {
    for text in [
        &b"BCG presentation, see below"[..],
        b"BMW invoice for January",
        b"MAC addresses of all printers",
        b"DSD is a way to store sound",
        b"ID3 tags explained",
        b"the free range, and what it costs",
        b"\xef\xbb\xbfBMW invoice for January",
        &utf16("BMW invoice", true),
    ] {
        let found = of(text);
        let expected = (PLAIN, Nature::Document);
        assert_eq!((&*found.mime, found.nature), expected, "{text:?}");
    }
    let certificate = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    assert!(!of(certificate).nature.is_dangerous());
    let other = b"-----BEGIN NOTES FROM ANN-----\nwords";
    assert_eq!(&*of(other).mime, PLAIN);
    let late = [&b"words "[..], PDF].concat();
    assert_eq!(&*of(&late).mime, "application/pdf");
}

#[test]
fn text_in_utf_16_is_text() {
    for is_little in [true, false] {
        for text in [
            "name;phone\r\nAnn;1\r\n",
            "Gr\u{fc}\u{df}e \u{1f600}",
            "\u{4e2d}\u{6587}",
        ] {
            let mut bytes = utf16(text, is_little);
            assert_eq!(&*of(&bytes).mime, PLAIN, "{text}");
            bytes.pop();
            assert_eq!(&*of(&bytes).mime, PLAIN, "{text}, cut in a letter");
        }
        for odd in ["a\0b", "a\u{1}b", "\u{fffe}"] {
            assert_eq!(&*of(&utf16(odd, is_little)).mime, UNKNOWN, "{odd:?}");
        }
        let mut half = utf16("ab", is_little);
        half[2..4].copy_from_slice(&[0xd8; 2]);
        assert_eq!(&*of(&half).mime, UNKNOWN, "half a letter before another");
    }
    // In UTF-32.
    assert_eq!(&*of(b"\xff\xfe\0\0a\0\0\0b\0\0\0").mime, UNKNOWN);
}

#[test]
fn what_may_be_text_in_an_older_way_of_writing_is_known_and_nothing_active_is() {
    for text in [
        &b"Gr\xfc\xdfe aus M\xfcnchen"[..],
        b"BMW-Schl\xfcssel",
        b"BC-M\xfcnzen\tund\x0c",
    ] {
        let found = of(text);
        assert!(found.may_be_text, "{found:?}");
        assert!(!found.nature.is_dangerous(), "{found:?}");
    }
    assert!(of(b"solid state drives of the office").may_be_text);
    for other in [
        &b"Gr\xfc\xdfe \0"[..],
        b"Gr\xfc\xdfe \x1b",
        b"Gr\xfc\xdfe \x7f",
        b"MZ Gr\xfc\xdfe",
        b"\xca\xfe\xba\xbe    ",
        b"BC\xc0\xde  ",
        b"Gr\xfc\xdfe <script src=x>",
        b"GIF89a Gr\xfc\xdfe <script src=x>",
        b"  <HTML> Gr\xfc\xdfe",
        b"#!/bin/sh # Gr\xfc\xdfe",
        b"Gr\xfc\xdfe <?PHP echo 1;",
        &utf16("words <script>alert(1)</script>", true),
        &utf16("@echo off", false),
        PDF,
        JPEG,
        b"",
    ] {
        assert!(!of(other).may_be_text, "{other:?}");
    }
    assert_eq!(of(b"Gr\xfc\xdfe <script src=x>").nature, Nature::Active);
}

#[test]
fn a_chain_of_tags_before_no_music_is_not_followed() {
    let tag = b"ID3\x03\0\0\0\0\0\0";
    let some = [&tag.repeat(ID3_TAG_COUNT_MAX)[..], b"\xff\xfb\x90\x64"].concat();
    assert_eq!(&*of(&some).mime, "audio/mpeg");
    let many = [&tag[..], &some].concat();
    let found = of(&many);
    assert_eq!((&*found.mime, found.nature), (UNKNOWN, Nature::Other));
    let scripted = [&many[..], b"<?php echo 1;"].concat();
    assert_eq!(of(&scripted).nature, Nature::Executable);
    // With what stands behind a head, and behind a tag.
    let long = b"ID3\x04\0\x50\0\0\0\x04\0\0\0\x04words and more ";
    let many = long[..28].repeat(ID3_TAG_COUNT_MAX + 1);
    assert_eq!(&*of(&many).mime, UNKNOWN);
}

#[test]
fn whatever_runs_on_a_computer_is_noticed() {
    let jar = b"PK\x03\x04\x14\0\x08\x08\x08\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0\x09\0\x04\0META-INF/\
                \xfe\xca\0\0";
    let png_and_php = [PNG, b"<?php system($_GET[1]); ?>"].concat();
    for bytes in [
        &b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff"[..],
        b"MZ\0",
        b"\x7fELF\x02\x01\x01\0",
        b"\xcf\xfa\xed\xfe\x07\0\0\x01",
        b"\xca\xfe\xba\xbe\0\0\0\x37",
        b"\0asm\x01\0\0\0",
        b"#!/bin/sh\necho",
        b"  #!/usr/bin/env python",
        b"\xef\xbb\xbf#!/bin/sh",
        b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46",
        b"MSCF\0\0\0\0\x2c\0\0\0",
        b"<?php echo 1;",
        b"GIF89a=1;<?PHP echo 1;",
        b"@ECHO OFF\r\ndel x",
        b"[InternetShortcut]\r\nURL=file://x",
        b"[Desktop Entry]\nExec=x",
        b"Windows Registry Editor Version 5.00",
        &utf16("Windows Registry Editor Version 5.00", true),
        &png_and_php,
        jar,
    ] {
        let found = of(bytes);
        assert_eq!(found.nature, Nature::Executable, "{found:?} {bytes:?}");
    }
}

#[test]
fn whatever_runs_in_a_browser_is_noticed() {
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    let late = format!("{}<script>alert(1)</script>", "x ".repeat(600));
    for bytes in [
        b"<!DOCTYPE html><p>".to_vec(),
        b"  \r\n <HtMl>".to_vec(),
        b"<script>alert(1)</script>".to_vec(),
        b"<!-- a comment --><html>".to_vec(),
        b"<iframe src=x>".to_vec(),
        svg.into(),
        [b"\xef\xbb\xbf", svg.as_bytes()].concat(),
        utf16(svg, true),
        utf16(svg, false),
        utf16("<html><script>", true),
        format!("<?xml version='1.0'?><!-- x -->{svg}").into(),
        b"<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\">".to_vec(),
        b"<?xml version=\"1.0\"?><?xml-stylesheet href=\"x.xsl\"?>".to_vec(),
        b"<?xml version=\"1.0\"?><xsl:stylesheet>".to_vec(),
        b"<?xml version=\"1.0\"?><x:script xmlns:x=\"http://www.w3.org/1999/xhtml\">".to_vec(),
        b"<x:svg xmlns:x = 'http://www.w3.org/2000/svg'><x:script>".to_vec(),
        b"<root><x:script xmlns:x='http://www.w3.org/1999/&#120;html'>".to_vec(),
        [
            &b"<?xml version=\"1.0\"?><!--"[..],
            &[b' '; 9_000],
            b"--><x:script>",
        ]
        .concat(),
        b"<!DOCTYPE lolz [<!ENTITY lol \"lol\">]>".to_vec(),
        b"plain words and then <script src=x>".to_vec(),
        late.into(),
    ] {
        let found = of(&bytes);
        assert_eq!(found.nature, Nature::Active, "{found:?} {bytes:?}");
    }
}

#[test]
fn a_word_in_a_picture_is_no_page() {
    let chance = [JPEG, b"<svg and <script by chance", &[0xff; 40]].concat();
    assert_eq!(of(&chance).nature, Nature::Image);
    let talk = b"if a <b and c> d then ask <ann@example.org>";
    assert_eq!(of(talk).nature, Nature::Document);
}

#[test]
fn data_in_xml_is_no_page() {
    for data in [
        &b"<?xml version=\"1.0\"?><!-- map --><kml xmlns=\"http://www.opengis.net/kml/2.2\"/>"[..],
        b"<orders xmlns:o='urn:orders'><o:order a=\"1 &amp; 2\"/></orders>",
        b"<2026-11-22 10:00:00> started",
        b"the namespace xmlns=\"http://www.w3.org/2000/svg\" is of pictures",
    ] {
        assert!(!of(data).nature.is_dangerous(), "{data:?}");
    }
}
