-- For lists that begin with what is viewed most.
CREATE INDEX images_own_views ON images (owner, trashed, views, pk);
CREATE INDEX images_views ON images (trashed, views, pk);
