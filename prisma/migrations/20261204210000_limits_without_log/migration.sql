-- Points that were taken count for a minute or a quarter of an hour. They need not outlive a crash of Postgres, and to write them
-- need not wait for the disk (docs/decisions/0118).
ALTER TABLE rate_limit SET UNLOGGED;
