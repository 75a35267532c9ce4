//! Layering, provenance, refusals and secrecy of the settings.

use std::path::Path;

use super::*;

fn with_env(pairs: &[(&str, &str)]) -> Result<Loaded, Error> {
    let variables = pairs
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    load(&Sources {
        variables: variables.collect(),
        ..Sources::default()
    })
}

fn with_file(text: &str) -> Result<Loaded, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    load(&Sources {
        file: Some(written(folder.path(), text)),
        ..Sources::default()
    })
}

fn written(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("frontdesk.toml");
    std::fs::write(&path, text).expect("the file is written");
    path
}

fn only_problem(result: Result<Loaded, Error>) -> Problem {
    let mut error = result.expect_err("settings are refused");
    assert_eq!(error.problems.len(), 1, "{error}");
    error.problems.remove(0)
}

fn row<'a>(loaded: &'a Loaded, key: &str) -> &'a Effective {
    let found = loaded.effective.iter().find(|row| row.key == key);
    found.expect("the key is shown")
}

#[test]
fn every_setting_is_in_the_table_and_every_default_is_valid() {
    let tree = serde_json::to_value(Config::default()).unwrap();
    let mut paths = Vec::new();
    for (section, fields) in tree.as_object().unwrap() {
        for (name, value) in fields.as_object().unwrap() {
            let path = format!("{section}.{name}");
            match value.as_object().filter(|_| keys::is_section(&path)) {
                Some(below) => paths.extend(below.keys().map(|name| format!("{path}.{name}"))),
                None => paths.push(path),
            }
        }
    }
    let mut listed: Vec<String> = keys::KEYS.iter().map(|key| key.path.to_owned()).collect();
    paths.sort();
    listed.sort();
    assert_eq!(paths, listed);
    assert_eq!(validate::check(&Config::default()), []);
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.effective.iter().all(|row| row.origin == "default"));
}

#[test]
fn flags_win_over_env_over_file_over_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[server]\nlisten = [\"127.0.0.1:1\"]\ndrain_ms = 7\n[storage]\npath = \"f\"\n";
    let file = written(folder.path(), text);
    let loaded = load(&Sources {
        file: Some(file.clone()),
        variables: vec![
            ("FRONTDESK_SERVER__LISTEN".into(), "127.0.0.1:2".into()),
            ("FRONTDESK_STORAGE__PATH".into(), "e".into()),
        ],
        flags: Flags {
            listen: vec!["127.0.0.1:3".into(), "[::1]:4".into()],
            ..Flags::default()
        },
    })
    .unwrap();
    let listen: Vec<String> = loaded
        .config
        .server
        .listen
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(listen, ["127.0.0.1:3", "[::1]:4"]);
    assert_eq!(loaded.config.storage.path, Path::new("e"));
    assert_eq!(loaded.config.server.drain_ms, 7);
    assert_eq!(row(&loaded, "server.listen").origin, "flag --listen");
    assert_eq!(
        row(&loaded, "storage.path").origin,
        "env FRONTDESK_STORAGE__PATH"
    );
    let drain = row(&loaded, "server.drain_ms");
    assert_eq!(drain.origin, format!("file {}:3", file.display()));
    assert_eq!(row(&loaded, "limits.ping_ms").origin, "default");
}

#[test]
fn text_that_looks_like_a_number_stays_text() {
    for text in [
        "0123",
        "1e5",
        "true",
        "[1]",
        "{}",
        "0x1f",
        " spaced ",
        "\"quoted\"",
    ] {
        let loaded = with_env(&[("FRONTDESK_AUTH__JWT_SECRET", text)]).unwrap();
        let secret = loaded.config.auth.jwt_secret.unwrap();
        assert_eq!(secret.expose(), text);
    }
    let loaded = with_env(&[("FRONTDESK_AUTH__DEFAULT_COMPANY", "0123")]).unwrap();
    assert_eq!(loaded.config.auth.default_company.unwrap().as_str(), "0123");
}

#[test]
fn a_list_in_a_variable_is_json_or_a_single_text() {
    let companies = |raw: &str| {
        let loaded = with_env(&[("FRONTDESK_PROVISION__COMPANIES", raw)])?;
        let ids = loaded.config.provision.companies;
        Ok::<_, Error>(ids.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(
        companies(r#"["TES001","SPA001"]"#).unwrap(),
        ["TES001", "SPA001"]
    );
    assert_eq!(companies(r#"["0123"]"#).unwrap(), ["0123"]);
    assert_eq!(companies("0123").unwrap(), ["0123"]);
    assert_eq!(companies("TES001").unwrap(), ["TES001"]);
    assert_eq!(companies("").unwrap(), [""; 0]);
    assert_eq!(companies("[]").unwrap(), [""; 0]);
    assert_eq!(companies("\"TES001\"").unwrap(), ["TES001"]);
    for wrong in [
        "[123]",
        "TES001,SPA001",
        "[\"a b\"]",
        "[\"TES001\"",
        "null",
        " null ",
        "[null]",
        "[[\"TES001\"]]",
        "42",
        "-1.5",
        "true",
        "{}",
        "{\"0\":\"TES001\"}",
    ] {
        let error = companies(wrong).unwrap_err().to_string();
        assert!(error.starts_with("provision.companies"), "{error}");
        assert!(error.contains("FRONTDESK_PROVISION__COMPANIES"), "{error}");
    }
}

#[test]
fn keys_keep_their_texts_and_merge_over_layers() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "[auth.keys]\n\"2026.1\" = \"old\"\n");
    let loaded = load(&Sources {
        file: Some(file.clone()),
        variables: vec![("FRONTDESK_AUTH__KEYS".into(), r#"{"007":"0123"}"#.into())],
        ..Sources::default()
    })
    .unwrap();
    let keys = &loaded.config.auth.keys;
    assert_eq!(keys["007"].expose(), "0123");
    assert_eq!(keys["2026.1"].expose(), "old");
    let from_env = row(&loaded, "auth.keys.\"007\"");
    assert_eq!(from_env.origin, "env FRONTDESK_AUTH__KEYS");
    assert_eq!(from_env.value.as_deref(), Some("\"***\""));
    let from_file = row(&loaded, "auth.keys.\"2026.1\"");
    assert!(
        from_file.origin.starts_with("file "),
        "{}",
        from_file.origin
    );
}

#[test]
fn secrets_are_never_printed() {
    let file = "[auth]\njwt_secret = \"hush-file\"\nkeys = { a = \"hush-key\" }\n\
                [files.s3]\naccess_key = \"hush-name\"\nsecret_key = \"hush-s3\"\n";
    let loaded = with_file(file).unwrap();
    let json = serde_json::to_string(&loaded.config).unwrap();
    for shown in [format!("{loaded}"), format!("{loaded:?}"), json] {
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains(MASK), "{shown}");
    }
    let wrong = [
        "[auth]\njwt_secret = 987654\n",
        "[files.s3]\nsecret_key = 987654\n",
        "[auth]\nkeys = { a = 987654 }\n",
        "[auth]\nkeys = \"987654\"\n",
        "[auth]\njwt_secret = \"987654\n",
        "[auth]\njwt_secret = 987654x\n",
    ];
    for text in wrong {
        let error = with_file(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("987654"), "{error}");
    }
    let error = with_env(&[("FRONTDESK_AUTH__KEYS", "{\"a\":987654}")]).unwrap_err();
    assert!(!error.to_string().contains("987654"), "{error}");
}

#[test]
fn an_unset_setting_is_shown_as_unset() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(row(&loaded, "auth.jwt_secret").value, None);
    assert_eq!(row(&loaded, "auth.keys").value, None);
    assert!(loaded.to_string().contains("# auth.jwt_secret is not set"));
    assert!(
        loaded
            .to_string()
            .contains("server.listen = [\"127.0.0.1:8080\"]  # default\n")
    );
}

#[test]
fn an_unknown_key_in_a_file_names_its_line_and_the_nearest_setting() {
    let problem = only_problem(with_file("[server]\ndrain_ms = 1\nlisen = []\n"));
    assert_eq!(problem.key, "server.lisen");
    assert!(
        problem.origin.ends_with("frontdesk.toml:3"),
        "{}",
        problem.origin
    );
    assert_eq!(problem.why, "unknown setting, did you mean server.listen");
    let problem = only_problem(with_file("jwt_secret = \"x\"\n"));
    assert_eq!(problem.why, "unknown setting, did you mean auth.jwt_secret");
    let problem = only_problem(with_file("[limits]\njwt_secret = \"x\"\n"));
    assert_eq!(problem.why, "unknown setting, did you mean auth.jwt_secret");
    let problem = only_problem(with_file("[nowhere]\n"));
    assert_eq!(problem.why, "unknown section");
    let problem = only_problem(with_file("server = 5\n"));
    assert!(problem.why.starts_with("is a section"), "{}", problem.why);
    let problem = only_problem(with_file("[server]\nqwertyuiop = 5\n"));
    assert_eq!(problem.why, "unknown setting");
}

#[test]
fn an_unknown_variable_is_an_error_and_a_stranger_is_not() {
    let problem = only_problem(with_env(&[("FRONTDESK_SERVER__LISTN", "x")]));
    assert_eq!(problem.key, "server.listn");
    assert_eq!(problem.origin, "env FRONTDESK_SERVER__LISTN");
    assert_eq!(
        problem.why,
        "unknown setting, did you mean FRONTDESK_SERVER__LISTEN"
    );
    let problem = only_problem(with_env(&[("FRONTDESK_AUTH_JWT_SECRET", "x")]));
    assert_eq!(
        problem.why,
        "unknown setting, did you mean FRONTDESK_AUTH__JWT_SECRET"
    );
    let strangers = [("FRONTDESK_SERVICE_HOST", "10.0.0.1"), ("PATH", "/bin")];
    assert_eq!(with_env(&strangers).unwrap().config, Config::default());
}

#[test]
fn a_wrong_value_names_its_key_and_origin() {
    let cases = [
        ("FRONTDESK_SERVER__DRAIN_MS", "soon", "server.drain_ms"),
        ("FRONTDESK_SERVER__DRAIN_MS", "-1", "server.drain_ms"),
        ("FRONTDESK_SERVER__LISTEN", "nowhere", "server.listen.0"),
        ("FRONTDESK_STORAGE__ENGINE", "rocks", "storage.engine"),
        (
            "FRONTDESK_STORAGE__DURABILITY",
            "never",
            "storage.durability",
        ),
        ("FRONTDESK_BUS__SERIALIZE", "maybe", "bus.serialize"),
        (
            "FRONTDESK_TELEMETRY__LOG_FORMAT",
            "xml",
            "telemetry.log_format",
        ),
        (
            "FRONTDESK_TELEMETRY__LOG",
            "frontdesk=loud",
            "telemetry.log",
        ),
        (
            "FRONTDESK_AUTH__DEFAULT_COMPANY",
            "a b",
            "auth.default_company",
        ),
        ("FRONTDESK_AUTH__JWT_SECRET", "", "auth.jwt_secret"),
        (
            "FRONTDESK_SERVER__PUBLIC_URL",
            "chat.example",
            "server.public_url",
        ),
    ];
    for (name, value, key) in cases {
        let problem = only_problem(with_env(&[(name, value)]));
        assert_eq!(problem.key, key, "{problem}");
        assert_eq!(problem.origin, format!("env {name}"), "{problem}");
    }
    let problem = only_problem(with_env(&[("FRONTDESK_STORAGE__ENGINE", "rocks")]));
    assert_eq!(problem.why, "expected sled or fjall, found \"rocks\"");
    let problem = only_problem(with_file("[limits]\n\nping_ms = \"often\"\n"));
    assert!(problem.origin.ends_with("frontdesk.toml:3"), "{problem}");
    let problem = only_problem(with_file("[limits]\nping_ms = 90000\n"));
    assert_eq!(problem.key, "limits.idle_ms");
    assert!(
        problem.why.contains("60000 is not above 90000"),
        "{problem}"
    );
    let problem = only_problem(with_env(&[(
        "FRONTDESK_LIMITS__OUTBOX_HARD_BYTES",
        "262144",
    )]));
    assert_eq!(problem.key, "limits.outbox_hard_bytes");
}

#[test]
fn hosts_logins_and_files_have_bounds() {
    let cases = [
        ("AUTH__KEYS", "{\"frontdesk\": \"x\"}", "auth.keys"),
        ("AUTH__PASSWORD_THREADS", "0", "auth.password_threads"),
        ("AUTH__PASSWORD_THREADS", "65", "auth.password_threads"),
        ("AUTH__PASSWORD_QUEUE", "1025", "auth.password_queue"),
        ("FILES__CLAMAV", "clamav", "files.clamav"),
        ("FILES__SCAN_WAIT_MS", "3600001", "files.scan_wait_ms"),
        ("FILES__SCAN_ANSWER_MS", "0", "files.scan_answer_ms"),
        ("FILES__SCAN_THREADS", "0", "files.scan_threads"),
        ("FILES__IMAGE_THREADS", "65", "files.image_threads"),
    ];
    for (name, value, key) in cases {
        let name = format!("FRONTDESK_{name}");
        let problem = only_problem(with_env(&[(&name, value)]));
        assert_eq!(problem.key, key, "{problem}");
    }
}

#[test]
fn a_null_in_a_variable_sets_nothing_and_is_refused() {
    for key in keys::KEYS {
        for null in ["null", " null\n"] {
            let name = keys::env_name(key.path);
            let problem = only_problem(with_env(&[(&name, null)]));
            assert_eq!(problem.key, key.path, "{problem}");
            assert_eq!(problem.origin, format!("env {name}"), "{problem}");
            assert!(problem.why.contains("null"), "{problem}");
        }
    }
    for table in [
        "[]",
        "7",
        "\"kid\"",
        "{\"kid\": null}",
        "{\"kid\": 7}",
        "{\"kid\": {}}",
    ] {
        let problem = only_problem(with_env(&[("FRONTDESK_AUTH__KEYS", table)]));
        assert_eq!(problem.key, "auth.keys", "{problem}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let error = with_env(&[
        ("FRONTDESK_SERVER__DRAIN_MS", "soon"),
        ("FRONTDESK_LIMITS__PING_MS", "0"),
    ])
    .unwrap_err();
    assert_eq!(error.to_string().lines().count(), 2, "{error}");
}

#[test]
fn a_missing_or_broken_file_is_an_error() {
    let missing = load(&Sources {
        file: Some("/nonexistent/frontdesk.toml".into()),
        ..Sources::default()
    });
    let problem = only_problem(missing);
    assert_eq!(problem.origin, "flag --config");
    assert!(problem.why.starts_with("cannot be read"), "{problem}");
    let problem = only_problem(with_file("[server\n"));
    assert!(problem.why.contains("line 1"), "{problem}");
}

#[test]
fn what_is_shown_is_toml_that_loads_to_the_same_settings() {
    let loaded = with_env(&[
        ("FRONTDESK_SERVER__PUBLIC_URL", "https://chat.example"),
        ("FRONTDESK_PROVISION__COMPANIES", r#"["TES001"]"#),
    ])
    .unwrap();
    assert_eq!(
        with_file(&loaded.to_string()).unwrap().config,
        loaded.config
    );
}

#[test]
fn a_bucket_is_set_in_a_section_of_its_own() {
    let text = "[files]\nstore = \"s3\"\n[files.s3]\nbucket = \"b\"\naccess_key = \"007\"\n";
    let folder = tempfile::tempdir().unwrap();
    let loaded = load(&Sources {
        file: Some(written(folder.path(), text)),
        variables: vec![("FRONTDESK_FILES__S3__SECRET_KEY".into(), "0123".into())],
        ..Sources::default()
    })
    .unwrap();
    let s3 = &loaded.config.files.s3;
    assert_eq!((&*s3.bucket, &*s3.region), ("b", "us-east-1"));
    assert_eq!(s3.secret_key.as_ref().unwrap().expose(), "0123");
    for (key, from) in [
        ("files.s3.access_key", "file "),
        ("files.s3.secret_key", "env FRONTDESK_FILES__S3__SECRET_KEY"),
    ] {
        let row = row(&loaded, key);
        assert_eq!(row.value.as_deref(), Some("\"***\""));
        assert!(row.origin.starts_with(from), "{}", row.origin);
    }
    assert!(row(&loaded, "files.s3.bucket").origin.ends_with(":4"));
}

#[test]
fn a_bucket_that_cannot_be_used_is_refused() {
    let whole = "[files]\nstore = \"s3\"\n[files.s3]\nbucket = \"b\"\n\
                 access_key = \"a\"\nsecret_key = \"c\"\n";
    assert!(with_file(whole).is_ok());
    for (more, key) in [
        ("endpoint = \"s3.example\"\n", "files.s3.endpoint"),
        ("endpoint = \"http://s3.example\"\n", "files.s3.endpoint"),
        ("region = \"\"\n", "files.s3.region"),
        ("secrets = \"x\"\n", "files.s3.secrets"),
        ("bucket = \"\"\n", "files.s3.bucket"),
    ] {
        let name = more.split(' ').next().unwrap();
        let others = whole.lines().filter(|line| !line.starts_with(name));
        let text: Vec<&str> = others.chain([more]).collect();
        assert_eq!(only_problem(with_file(&text.join("\n"))).key, key);
    }
    let section = only_problem(with_file("[files]\ns3 = \"b\"\n"));
    assert!(section.why.starts_with("is a section"), "{section}");
    let ttl = only_problem(with_env(&[("FRONTDESK_FILES__LINK_TTL_S", "901")]));
    assert_eq!(ttl.key, "files.link_ttl_s");
}

#[test]
fn origins_are_whole_or_all() {
    let origins = |raw: &str| with_env(&[("FRONTDESK_SERVER__CORS_ORIGINS", raw)]);
    for fine in [
        "",
        "*",
        "https://shop.example",
        "http://localhost:5173",
        "http://[::1]:80",
    ] {
        assert!(origins(fine).is_ok(), "{fine}");
    }
    assert!(origins(r#"["https://a.example", "capacitor://localhost"]"#).is_ok());
    for wrong in [
        "shop.example",
        "https://shop.example/",
        "https://Shop.example",
        "null",
        "https://",
    ] {
        let problem = only_problem(origins(wrong));
        assert_eq!(problem.key, "server.cors_origins", "{wrong}");
    }
    let problem = only_problem(origins(r#"["*", "https://a.example"]"#));
    assert!(problem.why.contains("stands alone"), "{problem}");
}
