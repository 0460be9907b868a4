-- Each event waits for the sealer from the statement that writes it. As the sealer, because the app could otherwise take an event
-- out of the queue, and no chain would ever miss it.
GRANT CREATE ON SCHEMA sealing TO vk_sealer;
SET ROLE vk_sealer;
CREATE OR REPLACE FUNCTION sealing.await_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  INSERT INTO public.audit_unsealed (tenant_id, id, at) SELECT a.tenant_id, a.id, a.at FROM added a;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION sealing.await_seal() FROM PUBLIC;
RESET ROLE;
REVOKE CREATE ON SCHEMA sealing FROM vk_sealer;
