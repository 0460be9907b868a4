-- Notes that somebody uses a connection. One that had become idle goes back to the schedule of those in use.
CREATE OR REPLACE FUNCTION vk.connection_used(p_tenant text, p_connection text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  UPDATE connection k SET used_at = vk_now(), refresh_due_at = CASE WHEN k.status = 'linked' THEN least(k.refresh_due_at,
      k.access_expires_at - (k.access_expires_at - greatest(k.last_refresh_at, k.linked_at)) * (0.1 + 0.3 * random()))
      ELSE k.refresh_due_at END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection;
END $$;
REVOKE EXECUTE ON FUNCTION vk.connection_used(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.connection_used(text, text) TO valetkey_app;
