-- The tables of the Vue3 + Flask service, as SQLAlchemy makes them on MariaDB.
SET NAMES utf8mb4;

CREATE TABLE users (
	id INTEGER NOT NULL AUTO_INCREMENT,
	username VARCHAR(50) NOT NULL,
	password VARCHAR(100) NOT NULL,
	created_at DATETIME,
	PRIMARY KEY (id),
	UNIQUE (username)
) CHARSET=utf8mb4;

CREATE TABLE images (
	id INTEGER NOT NULL AUTO_INCREMENT,
	user_id INTEGER NOT NULL,
	filename VARCHAR(255) NOT NULL,
	filepath VARCHAR(255) NOT NULL,
	created_at DATETIME,
	PRIMARY KEY (id),
	FOREIGN KEY(user_id) REFERENCES users (id)
) CHARSET=utf8mb4;

INSERT INTO users VALUES (1, 'li lei', '$2b$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u', '2024-03-01 00:00:00');
INSERT INTO images VALUES
  (1, 1, 'cat.png', '/uploads/cat.png', '2024-03-02 10:00:00'),
  (2, 1, '小狗.png', '/srv/flask_test1/uploads/dog.png', '2024-03-03 10:00:00');
