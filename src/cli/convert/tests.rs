//! The seeds' own example configurations: every key is answered for, and what comes out can be started with.

use super::*;
use crate::config::{CommandLine, Config, Environment};

const MGEK: &str = r#"{
  "port": 5000, "debug": true, "server_name": null, "multiroutine": false,
  "server": {
    "image_path": "", "image_size": 10485760, "image_url": "http://localhost:5000/images/",
    "image_rule": "base64", "image_zip": false, "image_zip_path": ""
  },
  "database": { "engine": "sqlite", "sqlite": "sqlite:///test.db", "mongo": "" }
}"#;

const MGEK_FLASK: &str = "
SECRET_KEY = 'This is a Secret Key'
    MONGO_DBNAME = 'mongo_mgekimghost'
    MONGO_URI = 'mongodb://localhost:27017/mgek_imghost'
    MONGO_HOST = 'localhost'
    MONGO_PORT = 27017
    MONGO_USERNAME = None
    MONGO_PASSWORD = None
JWT = True
    MAIL_HOST = 'smtp.163.com'
    MAIL_PORT = 465
    MAIL_USER = 'yourmail@163.com'
    MAIL_PASS = 'mail_password'
SERVER_NAME = 'localhost'
";

const IMAGEPROXY: &str = r#"{
  "server": { "domain": "yourDomain", "port": 8000 },
  "cleanup": { "enable": true, "expire_days": 30, "cleanup_time": "03:00:00" },
  "users": [ { "username": "alice", "password": "alice123" } ]
}"#;

const VUEFLASK: &str = "
# 应用配置
SECRET_KEY=your-secret-key
DB_HOST=localhost
DB_PORT=3306
DB_USER=root
DB_PASSWORD=p@ss/word
DB_NAME=vue_flask_db
JWT_SECRET_KEY=your-jwt-secret-key
";

const VUEFLASK_PY: &str = "
class Config:
    SECRET_KEY = os.environ.get('SECRET_KEY') or 'your-secret-key'
    DB_HOST = os.environ.get('DB_HOST') or 'localhost'
    DB_PORT = int(os.environ.get('DB_PORT') or 3306)
    DB_USER = os.environ.get('DB_USER') or 'root'
    DB_PASSWORD = os.environ.get('DB_PASSWORD') or 'password'
    DB_NAME = os.environ.get('DB_NAME') or 'vue_flask_db'
    SQLALCHEMY_DATABASE_URI = f'mysql+pymysql://{DB_USER}:{DB_PASSWORD}@{DB_HOST}:{DB_PORT}/{DB_NAME}?charset=utf8mb4'
    SQLALCHEMY_TRACK_MODIFICATIONS = False
    JWT_SECRET_KEY = os.environ.get('JWT_SECRET_KEY') or 'your-jwt-secret-key'
    JWT_EXPIRATION_DELTA = 3600
    UPLOAD_FOLDER = os.path.join(os.getcwd(), 'uploads')
    ALLOWED_EXTENSIONS = {'png', 'jpg', 'jpeg', 'gif'}
    MAX_CONTENT_LENGTH = 16 * 1024 * 1024
";

const WPIC: &str = "
HOST=0.0.0.0
PORT=8000
DEBUG=false
SECRET_KEY=change-me
ACCESS_TOKEN_EXPIRE_MINUTES=30
REQUIRE_AUTH=true
DATABASE_URL=postgresql+asyncpg://wpic:secret@db/wpic
REDIS_URL=redis://localhost:6379/0
MAX_FILE_SIZE=10485760
ALLOWED_EXTENSIONS=jpg,jpeg,png,gif,webp,heic
STORAGE_TYPE=s3
S3_ENDPOINT=https://s3.example.com
S3_BUCKET=wpic
S3_ACCESS_KEY=AKIA
S3_SECRET_KEY=s3cret
WEBDAV_URL=
THUMBNAIL_SIZE=200,200
MADE_UP=1
";

/// What comes out, and the configuration that it is.
fn converted(from: System, text: &str) -> (String, Config) {
    let Ok(yaml) = convert(from, text) else { panic!("{text}") };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.yaml"), &yaml).unwrap();
    let config = Config::load_in(&CommandLine::default(), &Environment::new(dir.path(), []));
    let config = config.unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    for setting in settings(text).unwrap() {
        let line = format!("# {}: ", setting.key);
        assert!(yaml.lines().any(|have| have.starts_with(&line)), "{line} is missing in\n{yaml}");
    }
    (yaml, config)
}

#[test]
fn every_key_of_mgek_is_answered_for() {
    let (yaml, config) = converted(System::Mgek, MGEK);
    assert!(!yaml.contains("not a documented key"), "{yaml}");
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:5000");
    assert_eq!(config.http.public_url.as_deref(), Some("http://localhost:5000"));
    assert_eq!((config.uploads.max_bytes.0, config.uploads.naming.as_str()), (10 << 20, "base64"));
    let (yaml, config) = converted(System::Mgek, MGEK_FLASK);
    assert!(!yaml.contains("not a documented key"), "{yaml}");
    assert_eq!(
        config.mail.smtp.unwrap().expose(),
        "smtps://yourmail%40163%2Ecom:mail%5Fpassword@smtp.163.com:465"
    );
    assert_eq!((config.mail.from.as_str(), config.auth.required), ("yourmail@163.com", true));
    let (_, config) = converted(System::Mgek, "JWT = False");
    assert!(!config.auth.required);
}

#[test]
fn every_key_of_image_proxy_is_answered_for() {
    let (yaml, config) = converted(System::Imageproxy, IMAGEPROXY);
    assert!(!yaml.contains("not a documented key"), "{yaml}");
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:8000");
    assert_eq!(config.http.public_url.as_deref(), Some("http://yourDomain:8000"));
    assert!(config.cleanup.enable && config.cleanup.expire_days == 30);
    let user = &config.auth.users[0];
    assert_eq!((user.name.as_str(), user.password.as_ref().unwrap().expose()), ("alice", "alice123"));
    assert!(config.dialects.settings()[3].1);
    let short = IMAGEPROXY.replace("alice123", "alice");
    let (yaml, config) = converted(System::Imageproxy, &short);
    assert!(yaml.contains("pixedge user create alice") && config.auth.users.is_empty(), "{yaml}");
}

#[test]
fn every_key_of_the_flask_example_is_answered_for() {
    let (yaml, config) = converted(System::Vueflask, VUEFLASK);
    assert!(!yaml.contains("not a documented key"), "{yaml}");
    assert_eq!(config.database.url.unwrap().expose(), "mysql://root:p%40ss%2Fword@localhost:3306/pixedge");
    let (yaml, config) = converted(System::Vueflask, VUEFLASK_PY);
    assert!(!yaml.contains("not a documented key"), "{yaml}");
    assert_eq!(config.auth.access_token.0.as_secs(), 3600);
    assert_eq!(
        (config.uploads.max_bytes.0, config.uploads.types),
        (16 << 20, vec!["gif".into(), "jpg".into(), "png".to_owned()])
    );
}

#[test]
fn the_usual_keys_of_wpic_are_answered_for_and_others_named() {
    let (yaml, config) = converted(System::Wpic, WPIC);
    assert_eq!(yaml.matches("not a documented key").count(), 1, "{yaml}");
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:8000");
    assert_eq!(config.database.url.unwrap().expose(), "postgres://wpic:secret@db/pixedge");
    assert_eq!((config.storage_default.as_str(), config.auth.access_token.0.as_secs()), ("s3", 1800));
    assert_eq!(config.storages["s3"].bucket.as_deref(), Some("wpic"));
    assert_eq!(config.uploads.derivatives["thumbnail"], "w_200,h_200,c_fill");
}

#[test]
fn what_is_no_configuration_is_said_to_be_none() {
    assert!(convert(System::Mgek, "").is_err());
    assert!(convert(System::Mgek, "{").is_err());
}
