-- The key id that a sealed value names in its protected header (a compact JWE), or NULL where it is no such value: one
-- broken value must not stop a count. It only tells values apart; whether one opens is for its key to say.
CREATE OR REPLACE FUNCTION vk.key_id(p_sealed text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE v_header text := translate(split_part(p_sealed, '.', 1), '-_', '+/');
BEGIN
  RETURN convert_from(decode(rpad(v_header, (length(v_header) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb ->> 'kid';
EXCEPTION WHEN others THEN
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.key_id(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.key_id(text) TO valetkey_app;
