//! What dumps look like, and what somebody may have made of them.

use std::io::Cursor;

use proptest::prelude::*;

use super::input::LONGEST_VALUE;
use super::*;

fn rows(text: impl AsRef<[u8]>, tables: &[&str]) -> Result<Vec<Record>, DumpError> {
    let wanted = tables.iter().map(|name| (*name).to_owned()).collect();
    let mut dump = Dump::new(Cursor::new(text.as_ref().to_vec()), wanted);
    let mut rows = Vec::new();
    while let Some(row) = dump.row()? {
        rows.push(row);
    }
    Ok(rows)
}

fn cells(row: &Record) -> Vec<&str> {
    row.cells.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect()
}

const HEAD: &str = "/*M!999999\\- enable the sandbox mode */ \n\
    -- MariaDB dump 10.19  Distrib 10.11.19-MariaDB\n--\n\
    /*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n\
    DROP TABLE IF EXISTS `a`;\n\
    CREATE TABLE `a` (\n\
      `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT COMMENT 'it''s, a (key); `x`',\n\
      `name` varchar(255) NOT NULL DEFAULT '' COMMENT '相册',\n\
      `kind` tinyint(3) unsigned GENERATED ALWAYS AS (case when `name` in ('a','b') then 4 else 0 end) STORED,\n\
      `note` text DEFAULT NULL,\n\
      PRIMARY KEY (`id`),\n\
      UNIQUE KEY `name` (`name`),\n\
      CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `b` (`id`) ON DELETE SET NULL\n\
    ) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COMMENT='a;b';\n";

#[test]
fn rows_of_wanted_tables_come_out_as_they_went_in() {
    let text = format!(
        "{HEAD}LOCK TABLES `a` WRITE;\n\
         /*!40000 ALTER TABLE `a` DISABLE KEYS */;\n\
         INSERT INTO `other` VALUES (1,'INSERT INTO `a` VALUES (9);'),(2,'\\');');\n\
         INSERT INTO `a` VALUES (1,'it\\'s \\\"a\\\" \\\\ b\\nc\\Z',0,NULL),\n(2,'''quoted''; -- no comment',4,_binary 'x'),\
         (-3,0xE78CAB,1.50,X'41');\n\
         INSERT  INTO `db`.`a` (`note`, `id`) VALUES ('later', 4) ;\n\
         UNLOCK TABLES;\n-- Dump completed on 2026-11-21 19:00:00\n"
    );
    let rows = rows(&text, &["a"]).unwrap();
    let found: Vec<Vec<&str>> = rows.iter().map(cells).collect();
    assert_eq!(found[0], ["1", "it's \"a\" \\ b\nc\u{1a}", "0", "NULL"]);
    assert_eq!(found[1], ["2", "'quoted'; -- no comment", "4", "x"]);
    assert_eq!(found[2], ["-3", "猫", "1.50", "A"]);
    assert_eq!(found[3], ["later", "4"]);
    assert_eq!(rows[0].columns[..], ["id", "name", "kind", "note"]);
    assert_eq!(rows[3].columns[..], ["note", "id"]);
}

#[test]
fn computed_columns_may_be_left_out() {
    let rows = rows(format!("{HEAD}INSERT INTO `a` VALUES (1,'n','t');"), &["a"]).unwrap();
    assert_eq!(rows[0].columns[..], ["id", "name", "note"]);
    assert_eq!(rows[0].get("note"), Some("t"));
}

#[test]
fn routines_and_views_are_passed_over() {
    let text = format!(
        "{HEAD}/*!50001 CREATE VIEW `v` AS SELECT 1*/;\nDELIMITER ;;\n\
         CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN\n;\n INSERT INTO `a` VALUES (8,'no',0,''); END ;;\n\
         DELIMITER ;\nINSERT IGNORE INTO a VALUES (7,'yes',0,'') ON DUPLICATE KEY UPDATE id = 1;\n\
         INSERT INTO `a` SELECT 1, '(', 3;\nCREATE TABLE images (id int, `key` int);\nINSERT INTO images VALUES (1, 2);"
    );
    let rows = rows(&text, &["a", "images"]).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].get("name"), rows[1].get("key")), (Some("yes"), Some("2")));
}

#[test]
fn other_databases_have_other_strings() {
    let text = "--\n-- PostgreSQL database dump\n--\n\\restrict abc\nSET standard_conforming_strings = on;\n\
        CREATE TABLE public.users (\n    id integer NOT NULL,\n    name text DEFAULT 'x'::text\n);\n\
        INSERT INTO public.users (id, name, ok) VALUES (1, 'C:\\dir\\', true);\n\
        INSERT INTO public.users OVERRIDING SYSTEM VALUE VALUES (2, E'a\\'b');\n";
    let rows = rows(text, &["users"]).unwrap();
    assert_eq!(cells(&rows[0]), ["1", "C:\\dir\\", "1"]);
    assert_eq!(cells(&rows[1]), ["2", "a'b"]);
    let copy = "-- PostgreSQL database dump\nCOPY public.users (id) FROM stdin;\n1\n\\.\n";
    assert!(super::tests::rows(copy, &["users"]).unwrap_err().to_string().contains("--column-inserts"));

    let text = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE image (name VARCHAR(100) NOT NULL, PRIMARY KEY (name));\n\
        INSERT INTO image VALUES('it''s \\');\nINSERT INTO image VALUES(replace('a\\nb','\\n',char(10)));\nCOMMIT;\n";
    let rows = super::tests::rows(text, &["image"]).unwrap();
    assert_eq!((rows[0].get("name"), rows[1].get("name")), (Some("it's \\"), None));
}

#[test]
fn what_is_too_much_is_bounded_and_what_is_cut_off_is_said() {
    let long = "x".repeat(LONGEST_VALUE + 1);
    let found = rows(format!("{HEAD}INSERT INTO a VALUES (1,'{long}',0,'y');"), &["a"]).unwrap();
    assert_eq!((found[0].get("name"), found[0].get("note")), (None, Some("y")));
    for (bad, why) in [
        (format!("{HEAD}INSERT INTO a VALUES (1,'abc"), "cut off"),
        (format!("{HEAD}INSERT INTO a VALUES (1,'a',2,''),"), "cut off"),
        (format!("{HEAD}INSERT INTO a VALUES (1,'a'),"), "2 values"),
        (format!("{HEAD}INSERT INTO a VALUES (1;'a')"), "behind a value"),
        ("INSERT INTO a VALUES (1);".to_owned(), "--complete-insert"),
        (format!("INSERT INTO a (`{}`) VALUES (1);", "n".repeat(300)), "longer than any"),
        (format!("INSERT INTO a (i) VALUES ({}1);", "1,".repeat(5000)), "more values"),
        (format!("INSERT INTO a (i) VALUES ({});", "1".repeat(500)), "longer than any"),
    ] {
        let error = rows(&bad, &["a"]).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_it_fail_otherwise_than_with_an_error(text in "[a-zINSERTVALUEOC `'\"\\\\(),;/*#\\-\n0-9x]{0,300}") {
        let _ = rows(&text, &["a", "i"]);
        let _ = rows(format!("{HEAD}INSERT INTO `a` VALUES ({text}"), &["a"]);
    }

    /// As MySQL's own escaping writes it.
    #[test]
    fn every_text_comes_back(text in "\\PC{0,40}", rest in "[\\x00-\\x1f'\"\\\\%_]{0,10}") {
        let text = format!("{text}{rest}");
        let mut escaped = String::new();
        for c in text.chars() {
            match c {
                '\0' => escaped.push_str("\\0"),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\u{1a}' => escaped.push_str("\\Z"),
                '\'' | '"' | '\\' => escaped.extend(['\\', c]),
                c => escaped.push(c),
            }
        }
        let found = rows(format!("{HEAD}INSERT INTO `a` VALUES (1,'{escaped}',0,NULL);"), &["a"]).unwrap();
        prop_assert_eq!(found[0].get("name"), Some(&*text));
    }
}
