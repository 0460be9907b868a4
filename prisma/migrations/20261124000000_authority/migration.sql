-- CreateTable
CREATE TABLE "session_refusal" (
    "tenant_id" TEXT NOT NULL,
    "session_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "session_refusal_pkey" PRIMARY KEY ("tenant_id","session_id")
);

-- CreateIndex
CREATE INDEX "session_refusal_session_id_idx" ON "session_refusal"("session_id");

-- CreateIndex
CREATE INDEX "invitation_tenant_id_created_by_idx" ON "invitation"("tenant_id", "created_by");

-- AddForeignKey
ALTER TABLE "session_refusal" ADD CONSTRAINT "session_refusal_session_id_fkey" FOREIGN KEY ("session_id") REFERENCES "session"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE session_refusal ENABLE ROW LEVEL SECURITY;
ALTER TABLE session_refusal FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON session_refusal USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, DELETE ON session_refusal TO valetkey_app;

-- Who is removed stays as a row: the audit trail and ended connections name them, and a generation never begins anew.
ALTER TABLE member DROP CONSTRAINT member_status,
  ADD CONSTRAINT member_status CHECK (status IN ('active', 'suspended', 'removed'));

-- The first statement of every act of a person (lib/store/authority.ts): sets the tenant, locks the member rows that the
-- act concerns in id order and then the session, and tells how they stand under these locks. Whoever demotes, suspends,
-- removes or signs out either comes before, and is seen, or waits until the act has committed.
-- p_share: members who must stay as they are; p_change: members whom the act changes; p_owners: all owners as well.
-- `role` and `status` are NULL where the person is no member. `live`: the session is theirs, within its limits and not
-- refused by this tenant.
CREATE FUNCTION vk.act_begin(p_tenant text, p_user text, p_session text, p_idle double precision, p_share text[],
    p_change text[], p_owners boolean)
  RETURNS TABLE (role text, status text, live boolean) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_change text[] := p_change;
  v_id text;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  IF p_owners THEN
    v_change := v_change || ARRAY(SELECT m.user_id FROM member m WHERE m.tenant_id = p_tenant AND m.role = 'owner');
  END IF;
  FOR v_id IN SELECT DISTINCT u.id FROM unnest(p_share || v_change || p_user) AS u(id) ORDER BY u.id LOOP
    IF v_id = ANY (v_change) THEN
      PERFORM 1 FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = v_id FOR UPDATE;
    ELSE
      PERFORM 1 FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = v_id FOR SHARE;
    END IF;
  END LOOP;
  PERFORM 1 FROM session s WHERE s.id = p_session FOR SHARE;
  -- Read after the locks: each statement of a VOLATILE function has a snapshot of its own.
  SELECT m.role, m.status INTO role, status FROM member m WHERE m.tenant_id = p_tenant AND m.user_id = p_user;
  live := EXISTS (SELECT FROM session s WHERE s.id = p_session AND s.user_id = p_user AND s.expires_at > vk_now()
      AND s.last_active_at > vk_now() - make_interval(secs => p_idle))
    AND NOT EXISTS (SELECT FROM session_refusal r WHERE r.tenant_id = p_tenant AND r.session_id = p_session);
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.act_begin FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.act_begin TO valetkey_app;

-- A person's memberships as one of their sessions may use them. The forms without a session stay for the version before.
GRANT SELECT (tenant_id, session_id) ON session_refusal TO vk_lookup;
GRANT SELECT (session_id, secrets) ON attempt TO vk_lookup;
CREATE POLICY lookup ON session_refusal FOR SELECT TO vk_lookup USING (true);
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;

CREATE FUNCTION lookup.memberships(p_user text, p_session text)
  RETURNS TABLE (tenant_id text, slug text, name text, role text, status text, refused boolean)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT t.id, t.slug, t.name, m.role, m.status,
    EXISTS (SELECT FROM public.session_refusal r WHERE r.tenant_id = t.id AND r.session_id = p_session)
  FROM public.member m JOIN public.tenant t ON t.id = m.tenant_id
  WHERE m.user_id = p_user ORDER BY t.name, t.id;
END;

-- Tenants in which a session has begun a link whose secrets are still kept.
CREATE FUNCTION lookup.tenants_linking(p_session text) RETURNS SETOF text
  LANGUAGE sql STABLE STRICT SECURITY DEFINER BEGIN ATOMIC
  SELECT DISTINCT a.tenant_id FROM public.attempt a WHERE a.session_id = p_session AND a.secrets IS NOT NULL;
END;

REVOKE EXECUTE ON FUNCTION lookup.memberships(text, text), lookup.tenants_linking(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.memberships(text, text), lookup.tenants_linking(text) TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- Gives up what a session has begun to link: the secrets of open attempts, and grants that are kept for a decision. Only
-- this session could have finished them. Leaves the transaction in the tenant in which it was.
CREATE FUNCTION vk.forget_attempts(p_session text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_before text := current_setting('app.tenant_id', true);
  v_tenant text;
BEGIN
  FOR v_tenant IN SELECT lookup.tenants_linking(p_session) LOOP
    PERFORM set_config('app.tenant_id', v_tenant, true);
    UPDATE attempt a SET secrets = NULL, status = CASE WHEN a.status = 'pending' THEN 'failed' ELSE a.status END,
        outcome = coalesce(a.outcome, 'cancelled')
      WHERE a.tenant_id = v_tenant AND a.session_id = p_session AND a.secrets IS NOT NULL AND a.status IN ('pending', 'failed');
  END LOOP;
  PERFORM set_config('app.tenant_id', coalesce(v_before, ''), true);
END $$;
REVOKE EXECUTE ON FUNCTION vk.forget_attempts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.forget_attempts TO valetkey_app;
CREATE INDEX attempt_session ON attempt (session_id) WHERE secrets IS NOT NULL;
