-- A change of status is told in its own transaction, whoever makes it: refresh, linking, revoking, freezing, a sweep.
-- What is told is not worth the change itself (a rotated token, a revocation), so a failure here is only a warning.
CREATE OR REPLACE FUNCTION vk.tell_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- A silent try is no news; how it ended is (R-10).
  IF OLD.status = 'needs_relink' AND NEW.status = 'degraded' THEN RETURN NULL; END IF;
  INSERT INTO notification (tenant_id, id, user_id, kind, connection_id, provider_id, details, created_at)
  VALUES (NEW.tenant_id, vk.new_id('ntf'), NEW.user_id,
    'connection.' || CASE NEW.status WHEN 'linked' THEN 'recovered' ELSE NEW.status END, NEW.id, NEW.provider_id,
    jsonb_build_object('status', NEW.status, 'before', OLD.status, 'cause', NEW.cause,
      'projects', vk.project_references(NEW.tenant_id, NEW.id)), vk_now());
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'a notification was not written: % %', SQLSTATE, SQLERRM;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.tell_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.tell_status() TO valetkey_app;
