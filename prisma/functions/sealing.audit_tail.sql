-- What is committed and not chained yet, over all tenants.
GRANT CREATE ON SCHEMA sealing TO vk_sealer;
SET ROLE vk_sealer;
CREATE OR REPLACE FUNCTION sealing.audit_tail() RETURNS TABLE (unsealed bigint, oldest_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT count(*), min(q.at) FROM public.audit_unsealed q;
END;
REVOKE EXECUTE ON FUNCTION sealing.audit_tail() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sealing.audit_tail() TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA sealing FROM vk_sealer;
