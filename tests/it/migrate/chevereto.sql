-- The tables of Chevereto 4 that hold people and pictures, as its schemas for MySQL 8 make them, with rows as it writes
-- them.
SET NAMES utf8mb4;

CREATE TABLE `chv_users` (
  `user_id` bigint(32) NOT NULL AUTO_INCREMENT,
  `user_name` varchar(255) DEFAULT NULL,
  `user_username` varchar(255) NOT NULL,
  `user_date` datetime NOT NULL,
  `user_date_gmt` datetime NOT NULL,
  `user_email` varchar(255) DEFAULT NULL,
  `user_timezone` varchar(255) NOT NULL,
  `user_status` enum('valid','awaiting-confirmation','awaiting-email','banned') NOT NULL,
  `user_is_admin` tinyint(1) NOT NULL DEFAULT '0',
  `user_registration_ip` varchar(255) NOT NULL,
  PRIMARY KEY (`user_id`),
  UNIQUE KEY `username` (`user_username`) USING BTREE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `chv_login_passwords` (
  `login_password_id` bigint(32) NOT NULL AUTO_INCREMENT,
  `login_password_user_id` bigint(32) NOT NULL,
  `login_password_date_gmt` datetime NOT NULL,
  `login_password_hash` text NOT NULL,
  PRIMARY KEY (`login_password_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `chv_albums` (
  `album_id` bigint(32) NOT NULL AUTO_INCREMENT,
  `album_name` varchar(100) NOT NULL,
  `album_user_id` bigint(32) DEFAULT NULL,
  `album_date` datetime NOT NULL,
  `album_date_gmt` datetime NOT NULL,
  `album_creation_ip` varchar(255) NOT NULL,
  `album_privacy` enum('public','password','private','private_but_link','custom') DEFAULT 'public',
  `album_password` text,
  `album_description` text,
  PRIMARY KEY (`album_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `chv_storages` (
  `storage_id` bigint(32) NOT NULL AUTO_INCREMENT,
  `storage_api_id` bigint(32) NOT NULL,
  `storage_name` varchar(255) NOT NULL,
  `storage_url` varchar(255) NOT NULL,
  `storage_bucket` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`storage_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `chv_tags` (
  `tag_id` bigint(32) NOT NULL AUTO_INCREMENT,
  `tag_name` varchar(32) COLLATE utf8mb4_bin NOT NULL,
  `tag_user_id` bigint(32) NOT NULL,
  PRIMARY KEY (`tag_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `chv_tags_files` (
  `tag_file_tag_id` bigint(32) NOT NULL,
  `tag_file_file_id` bigint(32) NOT NULL,
  UNIQUE INDEX `tag_file_UNIQUE` (`tag_file_tag_id` ASC, `tag_file_file_id` ASC)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `chv_images` (
  `image_id` bigint(32) NOT NULL AUTO_INCREMENT,
  `image_name` varchar(255) NOT NULL,
  `image_extension` varchar(255) NOT NULL,
  `image_size` bigint(11) UNSIGNED NOT NULL,
  `image_width` int(11) NOT NULL,
  `image_height` int(11) NOT NULL,
  `image_date` datetime NOT NULL,
  `image_date_gmt` datetime NOT NULL,
  `image_title` varchar(100) DEFAULT NULL,
  `image_description` text,
  `image_nsfw` tinyint(1) NOT NULL DEFAULT '0',
  `image_user_id` bigint(32) DEFAULT NULL,
  `image_album_id` bigint(32) DEFAULT NULL,
  `image_uploader_ip` varchar(255) NOT NULL,
  `image_storage_mode` enum('datefolder','direct','old','path') NOT NULL DEFAULT 'datefolder',
  `image_path` varchar(4096) DEFAULT NULL,
  `image_storage_id` bigint(32) DEFAULT NULL,
  `image_md5` varchar(32) NOT NULL,
  `image_original_filename` varchar(255) NOT NULL,
  `image_views` bigint(32) NOT NULL DEFAULT '0',
  `image_chain` tinyint(3) NOT NULL,
  `image_expiration_date_gmt` datetime DEFAULT NULL,
  `image_type` tinyint(3) UNSIGNED as (case
    when `image_extension` in ('pdf','doc','md') then 4
    when `image_extension` in ('avif','jpg','jpeg','gif','png','webp') then 1
    else 0 end) stored,
  PRIMARY KEY (`image_id`),
  KEY `image_path` (`image_path`(255)),
  FULLTEXT KEY `searchindex` (`image_name`,`image_title`,`image_description`,`image_original_filename`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

INSERT INTO `chv_users` (`user_id`, `user_name`, `user_username`, `user_date`, `user_date_gmt`, `user_email`, `user_timezone`, `user_status`, `user_is_admin`, `user_registration_ip`) VALUES
  (1, 'The Boss', 'boss', '2020-01-01 08:00:00', '2020-01-01 00:00:00', 'boss@example.com', 'Asia/Shanghai', 'valid', 1, '127.0.0.1'),
  (2, NULL, 'eve', '2021-01-01 08:00:00', '2021-01-01 00:00:00', NULL, 'UTC', 'banned', 0, '127.0.0.1');
INSERT INTO `chv_login_passwords` VALUES (1, 1, '2020-01-01 00:00:00', '$2y$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u');
INSERT INTO `chv_albums` (`album_id`, `album_name`, `album_user_id`, `album_date`, `album_date_gmt`, `album_creation_ip`, `album_privacy`) VALUES
  (1, 'Shown', 1, '2022-01-01 08:00:00', '2022-01-01 00:00:00', '::1', 'public'),
  (2, 'Locked', 1, '2022-01-02 08:00:00', '2022-01-02 00:00:00', '::1', 'password');
INSERT INTO `chv_storages` VALUES (1, 9, 'S3', 'https://cdn.example.com/bucket/', 'bucket');
INSERT INTO `chv_tags` VALUES (1, 'Sea', 1), (2, '夏天', 1);
INSERT INTO `chv_tags_files` VALUES (1, 1), (2, 1);
INSERT INTO `chv_images` (`image_id`, `image_name`, `image_extension`, `image_size`, `image_width`, `image_height`, `image_date`, `image_date_gmt`, `image_title`, `image_user_id`, `image_album_id`, `image_uploader_ip`, `image_storage_mode`, `image_path`, `image_storage_id`, `image_md5`, `image_original_filename`, `image_views`, `image_chain`, `image_expiration_date_gmt`) VALUES
  (1, 'sunset', 'png', 100, 1, 1, '2024-05-02 03:00:00', '2024-05-01 19:00:00', 'A ''title''', 1, 1, '::1', 'datefolder', NULL, NULL, 'a1', 'IMG_2034.png', 41, 7, NULL),
  (2, 'secret', 'png', 100, 1, 1, '2024-05-03 03:00:00', '2024-05-02 19:00:00', NULL, 1, 2, '::1', 'direct', NULL, NULL, 'a2', 'secret.png', 0, 5, NULL),
  (3, 'remote', 'png', 100, 1, 1, '2024-05-04 03:00:00', '2024-05-03 19:00:00', NULL, NULL, NULL, '::1', 'datefolder', NULL, 1, 'a3', 'remote.png', 0, 5, NULL),
  (4, 'over', 'png', 100, 1, 1, '2024-05-05 03:00:00', '2024-05-04 19:00:00', NULL, 1, NULL, '::1', 'old', NULL, NULL, 'a4', 'over.png', 0, 5, '2024-06-01 00:00:00'),
  (5, 'pathed', 'png', 100, 1, 1, '2024-05-06 03:00:00', '2024-05-05 19:00:00', NULL, 1, NULL, '::1', 'path', 'images/brand', NULL, 'a5', 'pathed.png', 0, 5, NULL);
