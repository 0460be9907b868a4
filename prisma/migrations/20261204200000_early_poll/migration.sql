-- Whether a device asks too early and nothing of that is left to note (RFC 8628 3.5): seconds until its next poll. NULL: vk.device_poll
-- decides. It reads alone, so many are asked about at once (docs/decisions/0116).
CREATE OR REPLACE FUNCTION vk.device_early(p_client text, p_secret bytea, p_asserted int, p_code bytea) RETURNS int
  LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_tenant text := set_config('app.tenant_id', coalesce(lookup.client_tenant(p_client), ''), true);
  v_now timestamptz := vk_now();
BEGIN
  RETURN (SELECT a.interval FROM authorization_request a, vk.client_admitted(p_client, p_secret, p_asserted) k
    WHERE a.secret_hash = p_code AND a.kind = 'device' AND a.client_id = p_client AND a.status = 'pending' AND a.expires_at > v_now
      AND (a.slowed OR a.interval >= 60) AND a.polled_at + make_interval(secs => a.interval - 0.5) > v_now
      AND 'device_code' = ANY (k.grant_types) AND NOT k.needs_proof);
END $$;
REVOKE EXECUTE ON FUNCTION vk.device_early(text, bytea, int, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.device_early(text, bytea, int, bytea) TO valetkey_app;
