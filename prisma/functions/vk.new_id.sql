-- An id as lib/security/ids.ts makes them: a prefix and a UUIDv7 (RFC 9562 5.7) without hyphens.
CREATE OR REPLACE FUNCTION vk.new_id(p_prefix text) RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT p_prefix || '_' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
    || '7' || substr(r, 14, 19) FROM (SELECT replace(gen_random_uuid()::text, '-', '') AS r) AS random
$$;
REVOKE EXECUTE ON FUNCTION vk.new_id(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.new_id(text) TO valetkey_app;
