-- Whether a renewal moves the end of the grant, by at least half of the time since the one before. Where it does, the
-- schedule keeps the grant alive and nobody need be told; where not, the end is certain, and stays as it was first known:
-- upstreams count in whole seconds, and an end that wavers would be told again at each renewal.
CREATE OR REPLACE FUNCTION vk.note_fixed_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Asking about a pasted token never prolongs it.
  IF NEW.granted_by = 'pasted' THEN
    NEW.grant_fixed := NEW.grant_expires_at IS NOT NULL;
    IF NEW.grant_expires_at BETWEEN OLD.grant_expires_at - interval '5 minutes' AND OLD.grant_expires_at + interval '5 minutes' THEN
      NEW.grant_expires_at := OLD.grant_expires_at;
    END IF;
    RETURN NEW;
  END IF;
  -- An end that moved back was moved by somebody: another lifetime in the provider's settings, not a fixed end.
  NEW.grant_fixed := coalesce(NEW.grant_expires_at > OLD.grant_expires_at - interval '5 minutes'
    AND NEW.grant_expires_at - OLD.grant_expires_at
      < (NEW.last_refresh_at - greatest(OLD.last_refresh_at, OLD.linked_at)) / 2, false);
  IF NEW.grant_fixed THEN
    NEW.grant_expires_at := OLD.grant_expires_at;
  END IF;
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION vk.note_fixed_end() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.note_fixed_end() TO valetkey_app;
