-- AlterTable
ALTER TABLE "connection" ADD COLUMN     "doubt" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "frozen_from" TEXT,
ADD COLUMN     "grant_expires_at" TIMESTAMPTZ,
ADD COLUMN     "recoveries" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "refresh_due_at" TIMESTAMPTZ,
ADD COLUMN     "used_at" TIMESTAMPTZ;

-- CreateTable
CREATE TABLE "upstream_pace" (
    "tenant_id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "last_failed" TEXT,
    "paused_until" TIMESTAMPTZ,
    "allowance" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "allowance_at" TIMESTAMPTZ,

    CONSTRAINT "upstream_pace_pkey" PRIMARY KEY ("tenant_id","provider_id")
);

-- AddForeignKey
ALTER TABLE "upstream_pace" ADD CONSTRAINT "upstream_pace_tenant_id_provider_id_fkey" FOREIGN KEY ("tenant_id", "provider_id") REFERENCES "provider"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE upstream_pace ENABLE ROW LEVEL SECURITY;
ALTER TABLE upstream_pace FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON upstream_pace USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON upstream_pace TO valetkey_app;

-- Connections that were linked before there was a schedule are due within their token's life.
-- The owner is bound by the policies as well, so this goes tenant by tenant.
DO $$
DECLARE
  ids text[];
  t text;
BEGIN
  SET LOCAL ROLE vk_lookup;
  SELECT coalesce(array_agg(id), '{}') INTO ids FROM lookup.tenant_ids() AS id;
  RESET ROLE;
  FOREACH t IN ARRAY ids LOOP
    PERFORM set_config('app.tenant_id', t, true);
    UPDATE connection SET used_at = linked_at, refresh_due_at = coalesce(access_expires_at, now()) - random() * interval '15 minutes',
        -- An intent without a claim was left by an answered failure, which is no interruption but a doubt.
        doubt = intent_at IS NOT NULL, intent_at = CASE WHEN claim_until IS NOT NULL THEN intent_at END
      WHERE refresh_token IS NOT NULL;
  END LOOP;
END $$;

ALTER TABLE connection ADD CONSTRAINT connection_frozen_from
  CHECK ((status = 'frozen') = (frozen_from IS NOT NULL) AND frozen_from IN ('linked', 'degraded', 'uncertain', 'needs_relink'));
CREATE INDEX connection_due ON connection (refresh_due_at) WHERE status IN ('linked', 'degraded', 'uncertain');

GRANT SELECT (tenant_id, provider_id, status, refresh_due_at) ON connection TO vk_lookup;
CREATE POLICY lookup ON connection FOR SELECT TO vk_lookup USING (true);
GRANT CREATE ON SCHEMA lookup TO vk_lookup;
SET ROLE vk_lookup;
-- Upstreams with a connection that is due for a refresh.
CREATE FUNCTION lookup.due_upstreams() RETURNS TABLE (tenant_id text, provider_id text)
  LANGUAGE sql VOLATILE SECURITY DEFINER BEGIN ATOMIC
  SELECT DISTINCT c.tenant_id, c.provider_id FROM public.connection c
  WHERE c.refresh_due_at <= (SELECT public.vk_now()) AND c.status IN ('linked', 'degraded', 'uncertain');
END;
REVOKE EXECUTE ON FUNCTION lookup.due_upstreams() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup.due_upstreams() TO valetkey_app;
RESET ROLE;
REVOKE CREATE ON SCHEMA lookup FROM vk_lookup;

-- The functions of the version before, with fewer arguments, stay for processes of it during a rolling upgrade (H-06).

-- An id as lib/security/ids.ts makes them: a prefix and a UUIDv7 (RFC 9562 5.7) without hyphens.
CREATE FUNCTION vk.new_id(p_prefix text) RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT p_prefix || '_' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
    || '7' || substr(r, 14, 19) FROM (SELECT replace(gen_random_uuid()::text, '-', '') AS r) AS random
$$;

-- The event of a refresh, in the transaction of what it tells. Its body is what lib/audit/record.ts writes.
CREATE FUNCTION vk.refresh_event(p_tenant text, p_connection text, p_user text, p_action text, p_outcome text, p_details jsonb)
  RETURNS void LANGUAGE sql VOLATILE AS $$
  INSERT INTO audit_event (tenant_id, id, at, body) VALUES (p_tenant, vk.new_id('evt'), vk_now(), jsonb_build_object(
    'action', p_action, 'outcome', p_outcome, 'actor', p_user, 'session', NULL, 'address', NULL, 'agent', NULL,
    'request', NULL, 'target', jsonb_build_object('kind', 'connection', 'id', p_connection), 'details', p_details))
$$;

-- When the background renews a connection of its own accord. In use (asked for within a day): in the last tenth to four
-- tenths of the access token's life, so that callers find it fresh and links made together do not expire together.
-- Idle: often enough that the grant does not die of disuse.
CREATE FUNCTION vk.refresh_due(p_used timestamptz, p_now timestamptz, p_life interval, p_keep interval)
  RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT p_now + greatest(interval '30 seconds', CASE WHEN p_used > p_now - interval '1 day'
    THEN least(p_life * (0.6 + 0.3 * random()), p_keep) ELSE p_keep * (0.8 + 0.2 * random()) END)
$$;

-- Answers: fresh (use access_token) | claimed (refresh now, with this fence) | busy (look again after wait_ms; the old
-- access_token while it lives) | resting (the connection or its upstream failed lately; the old access_token while it
-- lives) | dead | missing.
-- p_stale: a version whose access token the upstream has refused, or 0. p_mode: need (refresh unless it is fresh) | due
-- (refresh a fresh one as well, as scheduled, unless it was within the minute) | now (although it or its upstream rests,
-- because somebody asked; not what is well).
-- uncertain: this is the recovery try. doubt: an earlier end is unknown, so that a refusal means lost in rotation.
-- touch: whether vk.connection_used is worth a call.
CREATE FUNCTION vk.refresh_claim(p_tenant text, p_connection text, p_stale int, p_margin interval, p_lease interval,
    p_mode text)
  RETURNS TABLE (outcome text, token_version int, fence int, refresh_token text, access_token text,
    access_expires_at timestamptz, uncertain boolean, doubt boolean, wait_ms int, status text, cause text, touch boolean, user_id text)
  LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  c public.connection%ROWTYPE;
  pace public.upstream_pace%ROWTYPE;
  v_now timestamptz;
  v_life interval;
  v_alive boolean;
  v_held boolean;
  v_crashed boolean;
  v_fence int;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  fence := 0; uncertain := false; doubt := false; wait_ms := 0; touch := false;
  SELECT * INTO c FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  IF NOT FOUND THEN
    outcome := 'missing'; token_version := 0;
    RETURN NEXT; RETURN;
  END IF;
  token_version := c.token_version; fence := c.fence; status := c.status; cause := c.cause;
  access_expires_at := c.access_expires_at; user_id := c.user_id;
  touch := c.used_at IS NULL OR c.used_at < v_now - interval '5 minutes';
  IF c.status IN ('needs_relink', 'frozen', 'revoked') THEN
    outcome := 'dead';
    RETURN NEXT; RETURN;
  END IF;
  -- A tenant whose keys were destroyed has nothing that could be opened.
  IF NOT EXISTS (SELECT FROM tenant_key t WHERE t.tenant_id = p_tenant) THEN
    outcome := 'dead'; status := 'needs_relink'; cause := 'shredded';
    RETURN NEXT; RETURN;
  END IF;
  v_alive := c.access_token IS NOT NULL AND c.token_version > p_stale AND c.access_expires_at > v_now;
  IF v_alive THEN access_token := c.access_token; END IF;
  -- Who asks for more life than tokens of this upstream begin with would refresh at every call: half of it is enough.
  v_life := c.access_expires_at - greatest(c.last_refresh_at, c.linked_at);
  IF v_alive AND (CASE p_mode WHEN 'need' THEN c.access_expires_at > v_now + least(p_margin, v_life / 2)
      WHEN 'due' THEN greatest(c.last_refresh_at, c.linked_at) > v_now - interval '1 minute'
      ELSE c.status = 'linked' AND c.access_expires_at > v_now + v_life / 2 END) THEN
    outcome := 'fresh';
    RETURN NEXT; RETURN;
  END IF;
  -- A claim that ends further ahead than any lease is not believed: a clock was wrong (upstreams.md 5, trap 4).
  v_held := c.claim_until IS NOT NULL AND c.claim_until >= v_now AND c.claim_until <= v_now + 2 * p_lease;
  IF v_held THEN
    outcome := 'busy'; wait_ms := ceil(extract(epoch FROM c.claim_until - v_now) * 1000)::int;
    RETURN NEXT; RETURN;
  END IF;
  IF p_mode <> 'now' AND c.next_try_at > v_now AND c.next_try_at <= v_now + interval '1 hour' THEN
    outcome := 'resting'; wait_ms := ceil(extract(epoch FROM c.next_try_at - v_now) * 1000)::int;
    RETURN NEXT; RETURN;
  END IF;
  -- Whoever had claimed it recorded no end. The stored token may be spent: it is tried once more, and only once. (The
  -- version before left an intent without a claim at an answered failure: that is a doubt, and no interruption.)
  v_crashed := c.intent_at IS NOT NULL AND c.claim_until IS NOT NULL;
  IF v_crashed AND c.recoveries >= 1 THEN
    UPDATE connection k SET status = 'needs_relink', cause = 'lost_in_rotation', status_since = v_now, refresh_token = NULL,
        claim_until = NULL, intent_at = NULL, next_try_at = NULL, refresh_due_at = NULL
      WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = c.token_version AND k.fence = c.fence
        AND k.status IN ('linked', 'degraded', 'uncertain');
    IF FOUND THEN
      PERFORM vk.refresh_event(p_tenant, p_connection, c.user_id, 'refresh.failed', 'refused',
        jsonb_build_object('status', 'needs_relink', 'cause', 'lost_in_rotation', 'failure', 'interrupted_twice'));
      outcome := 'dead'; status := 'needs_relink'; cause := 'lost_in_rotation';
    ELSE
      outcome := 'busy';
    END IF;
    RETURN NEXT; RETURN;
  END IF;
  -- The upstream as a whole is paused after several failures in a row; when the pause is over one caller tries for all.
  -- Locked before the connection, here and everywhere.
  SELECT * INTO pace FROM upstream_pace u WHERE u.tenant_id = p_tenant AND u.provider_id = c.provider_id;
  IF pace.paused_until IS NOT NULL AND p_mode <> 'now' THEN
    IF pace.paused_until <= v_now OR pace.paused_until > v_now + interval '1 hour' THEN
      UPDATE upstream_pace u SET paused_until = v_now + p_lease
        WHERE u.tenant_id = p_tenant AND u.provider_id = c.provider_id AND u.paused_until = pace.paused_until;
      IF NOT FOUND THEN
        outcome := 'resting'; wait_ms := 1000;
        RETURN NEXT; RETURN;
      END IF;
    ELSE
      outcome := 'resting'; wait_ms := ceil(extract(epoch FROM pace.paused_until - v_now) * 1000)::int;
      RETURN NEXT; RETURN;
    END IF;
  END IF;
  -- The version is part of the claim: without it a caller that read just before a write-back claims again (RR-03).
  UPDATE connection k SET fence = k.fence + 1, claim_until = v_now + p_lease, intent_at = v_now,
      doubt = k.doubt OR c.intent_at IS NOT NULL, recoveries = k.recoveries + CASE WHEN v_crashed THEN 1 ELSE 0 END,
      status = CASE WHEN v_crashed THEN 'uncertain' ELSE k.status END,
      cause = CASE WHEN v_crashed THEN NULL ELSE k.cause END,
      status_since = CASE WHEN v_crashed AND k.status <> 'uncertain' THEN v_now ELSE k.status_since END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = c.token_version AND k.fence = c.fence
      AND k.status IN ('linked', 'degraded', 'uncertain')
    RETURNING k.fence INTO v_fence;
  IF NOT FOUND THEN
    outcome := 'busy';
    RETURN NEXT; RETURN;
  END IF;
  outcome := 'claimed'; fence := v_fence; refresh_token := c.refresh_token; uncertain := v_crashed;
  doubt := c.doubt OR c.intent_at IS NOT NULL; status := CASE WHEN v_crashed THEN 'uncertain' ELSE c.status END;
  RETURN NEXT;
END $$;

-- Writes a rotated pair back: by version, so that a holder that was paused past its lease, or that waited for the
-- database, heals the row. p_life: how long the access token lives from now, counted by this clock alone (H-07).
-- p_grant: how long the refresh token lives, where that is known. p_quiet: a healthy renewal in the background, which is
-- no event. p_flag: a cause to link again for, although the tokens are good (RR-10).
-- Answers: stored | revoked (revoke what was received) | superseded (discard silently).
CREATE FUNCTION vk.refresh_store(p_tenant text, p_connection text, p_sent int, p_fence int, p_refresh text, p_access text,
    p_life interval, p_scopes text[], p_grant interval, p_keep interval, p_quiet boolean, p_flag text)
  RETURNS TABLE (outcome text, access_expires_at timestamptz) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  old public.connection%ROWTYPE;
  v_now timestamptz;
  v_status text := CASE WHEN p_flag IS NULL THEN 'linked' ELSE 'needs_relink' END;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  UPDATE upstream_pace u SET failures = 0, last_failed = NULL, paused_until = NULL
    WHERE u.tenant_id = p_tenant AND u.failures > 0
      AND u.provider_id = (SELECT k.provider_id FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection);
  SELECT * INTO old FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection FOR UPDATE;
  IF old.status = 'revoked' OR old.id IS NULL THEN
    outcome := 'revoked';
    RETURN NEXT; RETURN;
  END IF;
  IF old.token_version <> p_sent OR NOT (old.fence = p_fence OR old.doubt OR coalesce(old.cause, '') = 'lost_in_rotation') THEN
    outcome := 'superseded';
    RETURN NEXT; RETURN;
  END IF;
  UPDATE connection k SET refresh_token = p_refresh, access_token = p_access, access_expires_at = v_now + p_life,
      -- A scope that was never granted is not believed to have been won by a refresh (RFC 6749 6).
      scopes_granted = CASE WHEN p_scopes IS NULL THEN k.scopes_granted WHEN k.scopes_granted = '{}' THEN p_scopes
        ELSE ARRAY(SELECT s FROM unnest(p_scopes) s WHERE s = ANY (k.scopes_granted)) END,
      token_version = k.token_version + 1, claim_until = NULL, intent_at = NULL, doubt = false, recoveries = 0,
      next_try_at = NULL, failures = 0, last_refresh_at = v_now,
      refresh_due_at = vk.refresh_due(k.used_at, v_now, p_life, p_keep),
      grant_expires_at = CASE WHEN p_grant IS NOT NULL THEN v_now + least(p_grant, interval '3650 days') END,
      frozen_from = CASE WHEN k.status = 'frozen' THEN v_status END,
      status = CASE WHEN k.status = 'frozen' THEN k.status ELSE v_status END,
      cause = p_flag,
      status_since = CASE WHEN k.status IN (v_status, 'frozen') THEN k.status_since ELSE v_now END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  IF NOT (p_quiet AND old.status = 'linked' AND p_flag IS NULL) THEN
    PERFORM vk.refresh_event(p_tenant, p_connection, old.user_id, 'refresh.succeeded', 'ok', jsonb_build_object(
      'version', p_sent + 1, 'before', old.status, 'scheduled', p_quiet, 'flag', p_flag));
  END IF;
  outcome := 'stored'; access_expires_at := v_now + p_life;
  RETURN NEXT;
END $$;

-- Records a refresh that brought nothing. p_reached: the refresh token may have been acted upon, so that a later refusal
-- means lost in rotation. p_upstream: whether the failure is the upstream's as a whole and counts towards its pause, or
-- shows that it answers; NULL: neither. Connections are counted, not calls: one that ails alone pauses nobody else.
-- p_retry: what the upstream asked to wait. An end was recorded, so the next kill may have its recovery try.
-- A late loser changes nothing (RR-08): version and fence must still be its own.
CREATE FUNCTION vk.refresh_fail(p_tenant text, p_connection text, p_sent int, p_fence int, p_status text, p_cause text,
    p_reached boolean, p_rest interval, p_upstream boolean, p_retry interval, p_details jsonb)
  RETURNS TABLE (changed boolean, paused boolean) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  old public.connection%ROWTYPE;
  v_provider text;
  v_until timestamptz;
  v_now timestamptz;
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  v_now := vk_now();
  SELECT k.provider_id INTO v_provider FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  changed := false; paused := false;
  IF NOT FOUND THEN RETURN NEXT; RETURN; END IF;
  IF p_upstream THEN
    INSERT INTO upstream_pace AS u (tenant_id, provider_id, failures, last_failed, paused_until)
      VALUES (p_tenant, v_provider, 1, p_connection, v_now + p_retry)
      ON CONFLICT (tenant_id, provider_id) DO UPDATE SET last_failed = p_connection,
        failures = u.failures + CASE WHEN u.last_failed IS DISTINCT FROM p_connection THEN 1 ELSE 0 END,
        -- From the third in a row: full jitter over a doubling span, at most a minute; Retry-After is a floor.
        paused_until = CASE WHEN u.failures + CASE WHEN u.last_failed IS DISTINCT FROM p_connection THEN 1 ELSE 0 END >= 3
            OR p_retry IS NOT NULL THEN v_now + greatest(
          coalesce(p_retry, interval '1 second'),
          random() * make_interval(secs => least(2 ^ least(u.failures, 10), 60))) END
      RETURNING u.paused_until INTO v_until;
    paused := v_until IS NOT NULL;
  ELSIF NOT p_upstream THEN
    UPDATE upstream_pace u SET failures = 0, last_failed = NULL, paused_until = NULL
      WHERE u.tenant_id = p_tenant AND u.provider_id = v_provider AND u.failures > 0;
  END IF;
  SELECT * INTO old FROM connection k WHERE k.tenant_id = p_tenant AND k.id = p_connection FOR UPDATE;
  IF old.token_version <> p_sent OR old.fence <> p_fence OR old.status IN ('revoked', 'needs_relink') THEN
    RETURN NEXT; RETURN;
  END IF;
  UPDATE connection k SET claim_until = NULL, intent_at = NULL, doubt = k.doubt OR p_reached,
      recoveries = 0,
      next_try_at = CASE WHEN p_status <> 'needs_relink' THEN v_now + p_rest END, failures = k.failures + 1,
      refresh_due_at = CASE WHEN p_status <> 'needs_relink' THEN v_now + p_rest END,
      frozen_from = CASE WHEN k.status = 'frozen' THEN p_status END,
      status = CASE WHEN k.status = 'frozen' THEN k.status ELSE p_status END, cause = p_cause,
      status_since = CASE WHEN k.status IN (p_status, 'frozen') THEN k.status_since ELSE v_now END,
      refresh_token = CASE WHEN p_status = 'needs_relink' AND p_cause <> 'unreadable' THEN NULL ELSE k.refresh_token END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  -- Once a change, not once a failed call.
  IF (coalesce(old.frozen_from, old.status), old.cause) IS DISTINCT FROM (p_status, p_cause) THEN
    PERFORM vk.refresh_event(p_tenant, p_connection, old.user_id, 'refresh.failed',
      CASE WHEN p_status = 'needs_relink' AND p_cause <> 'unreadable' THEN 'refused' ELSE 'failed' END,
      p_details || jsonb_build_object('status', p_status, 'cause', p_cause, 'served', old.access_token IS NOT NULL AND
        old.access_expires_at > v_now));
  END IF;
  changed := true;
  RETURN NEXT;
END $$;

-- The last look before anything is sent: whether the claim still stands, which then begins anew. What came between (a
-- busy pool, a paused process) does not count against the lease, and a token that a successor spent is not sent (RR-02).
CREATE FUNCTION vk.refresh_begin(p_tenant text, p_connection text, p_sent int, p_fence int, p_lease interval)
  RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  UPDATE connection k SET claim_until = vk_now() + p_lease
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = p_sent AND k.fence = p_fence
      AND k.claim_until >= vk_now() AND k.status IN ('linked', 'degraded', 'uncertain');
  RETURN FOUND;
END $$;

-- Gives back a claim under which nothing was sent: its holder could not even read the token. It rests a little, so that
-- one who can may take it.
CREATE FUNCTION vk.refresh_release(p_tenant text, p_connection text, p_sent int, p_fence int, p_uncertain boolean)
  RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  UPDATE connection k SET claim_until = NULL, intent_at = NULL, next_try_at = vk_now() + random() * interval '2 seconds',
      recoveries = k.recoveries - CASE WHEN p_uncertain THEN 1 ELSE 0 END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = p_sent AND k.fence = p_fence;
END $$;

-- Notes that somebody uses a connection. One that had become idle goes back to the schedule of those in use.
CREATE FUNCTION vk.connection_used(p_tenant text, p_connection text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  UPDATE connection k SET used_at = vk_now(), refresh_due_at = CASE WHEN k.status = 'linked' THEN least(k.refresh_due_at,
      k.access_expires_at - (k.access_expires_at - greatest(k.last_refresh_at, k.linked_at)) * (0.1 + 0.3 * random()))
      ELSE k.refresh_due_at END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection;
END $$;

-- Takes connections of one upstream that are due, no faster than p_rate a second over all instances (RR-11), and puts
-- them off by a minute, after which somebody else takes what was not finished. Whoever else is taking is not waited for.
CREATE FUNCTION vk.refresh_take(p_tenant text, p_provider text, p_rate double precision, p_burst int)
  RETURNS SETOF text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  pace public.upstream_pace%ROWTYPE;
  v_now timestamptz;
  v_allowance double precision;
  v_taken text[];
BEGIN
  PERFORM set_config('app.tenant_id', p_tenant, true);
  INSERT INTO upstream_pace (tenant_id, provider_id) VALUES (p_tenant, p_provider) ON CONFLICT DO NOTHING;
  SELECT * INTO pace FROM upstream_pace u WHERE u.tenant_id = p_tenant AND u.provider_id = p_provider FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN; END IF;
  v_now := vk_now();
  IF pace.paused_until > v_now AND pace.paused_until <= v_now + interval '1 hour' THEN RETURN; END IF;
  v_allowance := least(p_burst, pace.allowance
    + p_rate * greatest(0, extract(epoch FROM v_now - coalesce(pace.allowance_at, v_now - interval '1 second'))));
  WITH due AS (
    SELECT k.id FROM connection k WHERE k.tenant_id = p_tenant AND k.provider_id = p_provider
      AND k.refresh_due_at <= v_now AND k.status IN ('linked', 'degraded', 'uncertain')
    ORDER BY k.refresh_due_at
    -- After a pause one tries for all.
    LIMIT CASE WHEN pace.paused_until IS NULL THEN floor(v_allowance)::int ELSE least(1, floor(v_allowance)::int) END
    FOR UPDATE SKIP LOCKED),
  taken AS (
    UPDATE connection k SET refresh_due_at = v_now + interval '1 minute' FROM due
      WHERE k.tenant_id = p_tenant AND k.id = due.id RETURNING k.id)
  SELECT array_agg(taken.id) INTO v_taken FROM taken;
  UPDATE upstream_pace u SET allowance = v_allowance - coalesce(cardinality(v_taken), 0), allowance_at = v_now
    WHERE u.tenant_id = p_tenant AND u.provider_id = p_provider;
  RETURN QUERY SELECT unnest(v_taken);
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA vk FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vk TO valetkey_app;
