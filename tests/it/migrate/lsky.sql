-- The tables of Lsky Pro 2.1 that hold people and pictures, as its migrations make them on MariaDB, with rows as it
-- writes them.
SET NAMES utf8mb4;
SET time_zone = '+00:00';

CREATE TABLE `groups` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `name` varchar(64) NOT NULL COMMENT '角色组名称',
  `configs` json NOT NULL COMMENT '组配置'
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `users` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `group_id` bigint unsigned NULL COMMENT '角色组',
  `name` varchar(255) NOT NULL COMMENT '姓名',
  `email` varchar(255) NOT NULL COMMENT '邮箱',
  `password` varchar(255) NOT NULL COMMENT '密码',
  `remember_token` varchar(100) NULL,
  `is_adminer` tinyint(1) NOT NULL DEFAULT '0' COMMENT '是否为管理员',
  `capacity` decimal(20, 2) NOT NULL DEFAULT '0' COMMENT '总容量(kb)',
  `url` varchar(255) NOT NULL DEFAULT '' COMMENT '个人主页',
  `configs` json NOT NULL COMMENT '配置',
  `image_num` bigint unsigned NOT NULL DEFAULT '0' COMMENT '图片数量',
  `album_num` bigint unsigned NOT NULL DEFAULT '0' COMMENT '相册数量',
  `registered_ip` varchar(255) NOT NULL DEFAULT '' COMMENT '注册IP',
  `status` tinyint unsigned NOT NULL DEFAULT '1' COMMENT '状态',
  `email_verified_at` timestamp NULL,
  `created_at` timestamp NULL,
  `updated_at` timestamp NULL,
  UNIQUE `users_email_unique` (`email`),
  CONSTRAINT `users_group_id_foreign` FOREIGN KEY (`group_id`) REFERENCES `groups` (`id`) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `albums` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `user_id` bigint unsigned NOT NULL COMMENT '用户',
  `name` varchar(64) NOT NULL COMMENT '名称',
  `intro` varchar(255) NOT NULL DEFAULT '' COMMENT '简介',
  `image_num` bigint unsigned NOT NULL DEFAULT '0' COMMENT '图片数量',
  `created_at` timestamp NULL,
  `updated_at` timestamp NULL,
  CONSTRAINT `albums_user_id_foreign` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `strategies` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `key` tinyint NOT NULL COMMENT '策略类型',
  `name` varchar(64) NOT NULL COMMENT '策略名称',
  `intro` varchar(255) NOT NULL DEFAULT '' COMMENT '简介',
  `configs` json NOT NULL COMMENT '策略配置',
  `created_at` timestamp NULL,
  `updated_at` timestamp NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE `images` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `user_id` bigint unsigned NULL COMMENT '用户',
  `album_id` bigint unsigned NULL COMMENT '相册',
  `group_id` bigint unsigned NULL COMMENT '角色组',
  `strategy_id` bigint unsigned NULL COMMENT '策略',
  `key` varchar(255) NOT NULL COMMENT 'key',
  `path` varchar(255) NOT NULL COMMENT '保存路径',
  `name` varchar(255) NOT NULL COMMENT '保存名称',
  `origin_name` varchar(255) NOT NULL DEFAULT '' COMMENT '原始名称',
  `alias_name` varchar(255) NOT NULL DEFAULT '' COMMENT '别名',
  `size` decimal(20, 2) NOT NULL DEFAULT '0' COMMENT '图片大小(kb)',
  `mimetype` varchar(32) NOT NULL COMMENT '文件类型',
  `extension` varchar(32) NOT NULL COMMENT '文件后缀',
  `md5` varchar(32) NOT NULL COMMENT '文件MD5',
  `sha1` varchar(255) NOT NULL COMMENT '文件SHA1',
  `width` int unsigned NOT NULL DEFAULT '0' COMMENT '宽',
  `height` int unsigned NOT NULL DEFAULT '0' COMMENT '高',
  `permission` tinyint NOT NULL DEFAULT '0' COMMENT '访问权限',
  `is_unhealthy` tinyint(1) NOT NULL DEFAULT '0' COMMENT '是否为不健康的',
  `uploaded_ip` varchar(255) NOT NULL DEFAULT '' COMMENT '上传IP',
  `created_at` timestamp NULL,
  `updated_at` timestamp NULL,
  UNIQUE `images_key_unique` (`key`),
  INDEX `images_md5_index` (`md5`),
  CONSTRAINT `images_user_id_foreign` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE SET NULL,
  CONSTRAINT `images_album_id_foreign` FOREIGN KEY (`album_id`) REFERENCES `albums` (`id`) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

INSERT INTO `groups` VALUES (1, '默认组', '{"maximum_file_size": 5120}');
INSERT INTO `users` (`id`, `group_id`, `name`, `email`, `password`, `is_adminer`, `capacity`, `configs`, `status`, `created_at`) VALUES
  (1, 1, 'Ana', 'ana@example.com', '$2y$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u', 1, 512000.00, '{}', 1, '2023-01-02 03:04:05'),
  (2, 1, '王芳', 'fang@example.com', '$2y$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u', 0, 512000.00, '{}', 1, '2023-02-02 03:04:05'),
  (3, 1, 'ana', 'frozen@example.com', '$2y$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u', 0, 1.00, '{}', 0, '2023-03-02 03:04:05');
INSERT INTO `albums` (`id`, `user_id`, `name`, `intro`, `created_at`) VALUES
  (1, 1, '旅行', 'it''s; "far" away', '2023-05-01 00:00:00'),
  (2, 2, '空', '', '2023-05-02 00:00:00');
INSERT INTO `strategies` (`id`, `key`, `name`, `configs`) VALUES
  (1, 1, '默认本地策略', '{"url": "https:\\/\\/img.example.com\\/i", "root": "/var/www/storage/app/uploads", "queries": null}'),
  (2, 2, 'S3', '{"url": "https://cdn.example.com", "bucket": "old", "access_key_id": "x"}');
INSERT INTO `images` (`id`, `user_id`, `album_id`, `group_id`, `strategy_id`, `key`, `path`, `name`, `origin_name`, `alias_name`, `size`, `mimetype`, `extension`, `md5`, `sha1`, `permission`, `created_at`) VALUES
  (1, 1, 1, 1, 1, 'aB3dE6', '2024/05/01', '66314e7b0a0c7.png', '海 边.png', '', 12.34, 'image/png', 'png', '0123456789abcdef0123456789abcdef', '', 1, '2024-05-01 10:20:30'),
  (2, 1, 1, 1, 1, 'Zz9yX8', '2024/05/02', '66329f3c11d24.png', 'b.png', 'it''s "me" \\ ok.png', 9.00, 'image/png', 'png', '11111111111111111111111111111111', '', 0, '2024-05-02 10:20:30'),
  (3, 2, NULL, 1, 1, 'Qq7wW1', '2024/05/02', '66329f3c11d25.png', '海 边.png', '', 12.34, 'image/png', 'png', '0123456789abcdef0123456789abcdef', '', 0, '2024-05-02 11:00:00'),
  (4, NULL, NULL, 1, 2, 'Gg5gG5', '', 'guest 1.png', 'guest.png', '', 1.00, 'image/png', 'png', '22222222222222222222222222222222', '', 1, '2024-06-01 00:00:00'),
  (5, 1, NULL, 1, 1, 'Mm1mM1', '2024/07/01', 'gone.png', 'gone.png', '', 1.00, 'image/png', 'png', '33333333333333333333333333333333', '', 1, '2024-07-01 00:00:00'),
  (6, 1, NULL, 1, 1, 'Nn2nN2', '2024/07/02', 'bad.png', 'bad.png', '', 1.00, 'image/png', 'png', '44444444444444444444444444444444', '', 1, '2024-07-02 00:00:00'),
  (7, 1, NULL, 1, 1, 'Oo3oO3', '../../..', 'outside.png', 'outside.png', '', 1.00, 'image/png', 'png', '55555555555555555555555555555555', '', 1, '2024-07-03 00:00:00');
