-- Notes one act: the first of its minute with an event, further ones as a number. In one call, so that neither is there
-- without the other, and a process that is killed has lost nothing.
CREATE OR REPLACE FUNCTION vk.note_access(p_tenant text, p_event text, p_at timestamptz, p_body jsonb, p_operation text, p_thing text)
  RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE v_untold int;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  INSERT INTO access_tally AS t (tenant_id, actor_id, action, operation, minute, things, last_at, body)
    VALUES (p_tenant, p_body->>'actor', p_body->>'action', p_operation, date_trunc('minute', p_at, 'UTC'), '{}', p_at, p_body)
    ON CONFLICT (tenant_id, actor_id, action, operation, minute) DO UPDATE SET
      untold = t.untold + 1, last_at = greatest(t.last_at, p_at), body = p_body,
      things = CASE WHEN p_thing IS NULL OR p_thing = ANY (t.things) OR cardinality(t.things) >= 20 THEN t.things
        ELSE t.things || p_thing END
    RETURNING t.untold INTO v_untold;
  IF v_untold = 0 THEN
    INSERT INTO audit_event (tenant_id, id, at, body) VALUES (p_tenant, p_event, p_at, p_body);
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION vk.note_access(text, text, timestamptz, jsonb, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.note_access(text, text, timestamptz, jsonb, text, text) TO valetkey_app;
