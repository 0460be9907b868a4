-- An event's hash: SHA-256 over these lines, joined by LF, in UTF-8. The body is what jsonb prints, which has no line
-- break and is exported as it is, so that a verifier hashes the very same bytes (lib/audit/verify.ts).
GRANT CREATE ON SCHEMA sealing TO vk_sealer;
SET ROLE vk_sealer;
CREATE OR REPLACE FUNCTION sealing.event_hash(p_previous bytea, p_tenant text, p_seq bigint, p_id text, p_at timestamptz, p_body jsonb)
  RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(convert_to(concat_ws(E'\n', 'valetkey-audit-1', encode(p_previous, 'hex'), p_tenant, p_seq::text, p_id,
    to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), p_body::text), 'UTF8'))
$$;
REVOKE EXECUTE ON FUNCTION sealing.event_hash(bytea, text, bigint, text, timestamptz, jsonb) FROM PUBLIC;
RESET ROLE;
REVOKE CREATE ON SCHEMA sealing FROM vk_sealer;
