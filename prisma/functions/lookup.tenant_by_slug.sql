-- The tenant that an address names, for the demo's seed.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.tenant_by_slug(p_slug text) RETURNS text
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT t.id FROM public.tenant t WHERE t.slug = p_slug;
END;
REVOKE EXECUTE ON FUNCTION lookup.tenant_by_slug(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.tenant_by_slug(text) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
