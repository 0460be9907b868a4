-- One message for each webhook that is on. Its body is what signatures are over, so it is made once.
CREATE OR REPLACE FUNCTION vk.enqueue_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO webhook_delivery (tenant_id, id, webhook_id, kind, payload, next_try_at, created_at)
  SELECT NEW.tenant_id, vk.new_id('msg'), w.id, NEW.kind, jsonb_build_object('type', NEW.kind,
      'timestamp', to_char(NEW.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'data', NEW.details || jsonb_build_object('notification', NEW.id, 'tenant', NEW.tenant_id, 'owner', NEW.user_id,
        'connection', NEW.connection_id, 'provider', NEW.provider_id)), NEW.created_at, NEW.created_at
  FROM webhook w WHERE w.tenant_id = NEW.tenant_id AND w.enabled;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.enqueue_messages() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.enqueue_messages() TO valetkey_app;
