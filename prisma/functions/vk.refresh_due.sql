-- When the background renews a connection of its own accord. In use (asked for within a day): in the last tenth to four
-- tenths of the access token's life, so that callers find it fresh and links made together do not expire together.
-- Idle: often enough that the grant does not die of disuse.
CREATE OR REPLACE FUNCTION vk.refresh_due(p_used timestamptz, p_now timestamptz, p_life interval, p_keep interval)
  RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT p_now + greatest(interval '30 seconds', CASE WHEN p_used > p_now - interval '1 day'
    THEN least(p_life * (0.6 + 0.3 * random()), p_keep) ELSE p_keep * (0.8 + 0.2 * random()) END)
$$;
REVOKE EXECUTE ON FUNCTION vk.refresh_due(timestamptz, timestamptz, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.refresh_due(timestamptz, timestamptz, interval, interval) TO valetkey_app;
