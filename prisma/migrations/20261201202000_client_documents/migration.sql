-- Programs that nobody registered: known by a document of their own, one row a tenant (docs/decisions/0085).
ALTER TABLE "api_client" ADD COLUMN "document" TEXT, ADD COLUMN "document_read_at" TIMESTAMPTZ;
ALTER TABLE "policy" ADD COLUMN "client_documents" TEXT;

--- Everything below is written by hand; Prisma's diff does not see it.

GRANT UPDATE (document_read_at) ON api_client TO valetkey_app;
CREATE POLICY lookup ON policy FOR SELECT TO vk_lookup USING (true);
GRANT SELECT (tenant_id, level, client_documents) ON policy TO vk_lookup;
GRANT SELECT (client_id) ON oauth_grant TO vk_lookup;

-- Whether some tenant lets in programs that nobody registered: what the metadata of the authorization server says of itself, which
-- is one for all tenants.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.documents_allowed() RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT EXISTS (SELECT FROM public.tenant t WHERE NOT EXISTS (SELECT FROM public.policy p
    WHERE p.tenant_id = t.id AND p.level = 'tenant' AND p.client_documents = 'off'));
END;
REVOKE EXECUTE ON FUNCTION lookup.documents_allowed() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.documents_allowed() TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Which client a token was given to, by the hash of an access token or of a refresh family; NULL for none. What comes before the
-- tenant: a program that nobody registered says who it is by an address, and each tenant knows it by another id.
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
CREATE OR REPLACE FUNCTION lookup.client_of_token(p_access bytea, p_family bytea) RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
  SELECT g.client_id FROM public.oauth_grant g
    WHERE g.family_hash = p_family OR g.id = (SELECT a.grant_id FROM public.access_token a WHERE a.hash = p_access) LIMIT 1;
END;
REVOKE EXECUTE ON FUNCTION lookup.client_of_token(bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.client_of_token(bytea, bytea) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;
