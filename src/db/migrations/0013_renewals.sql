-- When a session's access token was last exchanged for another one, by clients without refresh tokens: those made before
-- end soon after.
ALTER TABLE sessions ADD COLUMN renewed_at {int};
