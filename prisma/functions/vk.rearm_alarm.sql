-- A provider whose client is accepted again may raise its alarm again.
CREATE OR REPLACE FUNCTION vk.rearm_alarm() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE notification n SET dedupe_key = NULL
    WHERE n.tenant_id = NEW.tenant_id AND n.dedupe_key = 'client_refused:' || NEW.provider_id;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.rearm_alarm() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.rearm_alarm() TO valetkey_app;
