-- Adds what went through the proxy with a token: to the minute, which an event tells of once it is over, and to the day.
CREATE OR REPLACE FUNCTION vk.note_use(p_tenant text, p_token text, p_project text, p_at timestamptz, p_requests bigint,
    p_refused bigint, p_sent bigint, p_received bigint)
  RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  INSERT INTO use_tally AS u (tenant_id, token_id, minute, requests, refused, bytes_sent, bytes_received)
    VALUES (p_tenant, p_token, date_trunc('minute', p_at), p_requests, p_refused, p_sent, p_received)
    ON CONFLICT (tenant_id, token_id, minute) DO UPDATE SET requests = u.requests + p_requests, refused = u.refused + p_refused,
      bytes_sent = u.bytes_sent + p_sent, bytes_received = u.bytes_received + p_received;
  INSERT INTO token_use AS u (tenant_id, token_id, day, project_id, requests, refused, bytes_sent, bytes_received)
    VALUES (p_tenant, p_token, (p_at AT TIME ZONE 'UTC')::date, p_project, p_requests, p_refused, p_sent, p_received)
    ON CONFLICT (tenant_id, token_id, day) DO UPDATE SET requests = u.requests + p_requests, refused = u.refused + p_refused,
      bytes_sent = u.bytes_sent + p_sent, bytes_received = u.bytes_received + p_received;
  IF p_requests > 0 THEN
    UPDATE issued_token k SET last_used_at = p_at WHERE k.tenant_id = p_tenant AND k.id = p_token
      AND (k.last_used_at IS NULL OR k.last_used_at < p_at - interval '1 minute');
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION vk.note_use(text, text, text, timestamptz, bigint, bigint, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.note_use(text, text, text, timestamptz, bigint, bigint, bigint, bigint) TO valetkey_app;
