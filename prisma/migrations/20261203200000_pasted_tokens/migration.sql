-- AlterTable
ALTER TABLE "connection" ADD COLUMN     "granted_by" TEXT NOT NULL DEFAULT 'consent',
ADD COLUMN     "held" TEXT,
ADD COLUMN     "pasted_mark" TEXT,
ADD COLUMN     "rotate_at" TIMESTAMPTZ,
ADD COLUMN     "rotate_days" INTEGER,
ADD COLUMN     "rotated_at" TIMESTAMPTZ,
ADD COLUMN     "warning_off" BOOLEAN NOT NULL DEFAULT false;

-- CreateIndex
CREATE INDEX "connection_tenant_id_pasted_mark_idx" ON "connection"("tenant_id", "pasted_mark");

ALTER TABLE connection ADD CONSTRAINT connection_granted_by CHECK (granted_by IN ('consent', 'pasted'));
ALTER TABLE connection ADD CONSTRAINT connection_rotate_days CHECK (rotate_days BETWEEN 1 AND 365);

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

-- Claims a connection's refresh, or says why that need not or may not be.
-- Answers: fresh (use access_token) | claimed (refresh now, with this fence) | busy (look again after wait_ms; the old
-- access_token while it lives) | resting (the connection or its upstream failed lately; the old access_token while it
-- lives) | held (a token is out that a refresh would end: look again when it has ended; the old access_token while it
-- lives) | dead | missing.
-- p_stale: a version whose access token the upstream has refused, or 0. p_mode: need (refresh unless it is fresh) | due
-- (refresh a fresh one as well, as scheduled, unless it was within the minute) | now (although it or its upstream rests,
-- because somebody asked; not what is well) | recover (an interrupted rotation and nothing else, ahead of every pause,
-- because its upstream forgives a spent token only for so long) | narrow (to hand the new access token out: whether it is
-- fresh or not).
-- A pasted token that is to be replaced is not well in this sense.
-- uncertain: this is the recovery try. doubt: an earlier end is unknown, so that a refusal means lost in rotation.
-- touch: whether vk.connection_used is worth a call.
-- A connection that needs its person is dead, with one exception: whose refresh token nobody has refused is claimed once more,
-- and is then degraded until it is known how that ended (R-10, docs/decisions/0083). Not in the background, and each try waits
-- twice as long as the one before: from five minutes to a day after the moment at which it began to need its person.
-- The intent is set by vk.refresh_begin, not here: a death before something is sent costs nothing (RR-05).
CREATE OR REPLACE FUNCTION vk.refresh_claim(p_tenant text, p_connection text, p_stale int, p_margin interval, p_lease interval,
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
  v_revive boolean;
  v_fence int;
  v_until timestamptz;
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
  IF vk.frozen(p_tenant, c.user_id, c.provider_id, c.id) THEN
    outcome := 'dead'; status := 'frozen'; cause := NULL;
    RETURN NEXT; RETURN;
  END IF;
  v_revive := c.status = 'needs_relink' AND c.cause IN ('turned_away', 'unreadable') AND c.refresh_token IS NOT NULL
    AND p_mode IN ('need', 'now', 'narrow') AND c.status_since + interval '5 minutes' * 2 ^ least(c.revivals, 8) <= v_now;
  IF c.status IN ('needs_relink', 'revoked') AND NOT v_revive THEN
    outcome := 'dead';
    RETURN NEXT; RETURN;
  END IF;
  -- A tenant whose keys were destroyed has nothing that could be opened.
  IF NOT EXISTS (SELECT FROM tenant_key t WHERE t.tenant_id = p_tenant) THEN
    outcome := 'dead'; status := 'needs_relink'; cause := 'shredded';
    RETURN NEXT; RETURN;
  END IF;
  v_alive := NOT v_revive AND c.access_token IS NOT NULL AND c.token_version > p_stale AND c.access_expires_at > v_now;
  IF v_alive THEN access_token := c.access_token; END IF;
  -- Who asks for more life than tokens of this upstream begin with would refresh at every call: half of it is enough.
  v_life := c.access_expires_at - greatest(c.last_refresh_at, c.linked_at);
  IF v_alive AND p_mode NOT IN ('recover', 'narrow') AND NOT (p_mode IN ('due', 'now') AND coalesce(c.rotate_at <= v_now, false)) AND (CASE p_mode WHEN 'need' THEN c.access_expires_at > v_now + least(p_margin, v_life / 2)
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
  IF p_mode NOT IN ('now', 'recover') AND c.next_try_at > v_now AND c.next_try_at <= v_now + interval '1 hour' THEN
    outcome := 'resting'; wait_ms := ceil(extract(epoch FROM c.next_try_at - v_now) * 1000)::int;
    RETURN NEXT; RETURN;
  END IF;
  -- Whoever had claimed it recorded no end. The stored token may be spent: it is tried once more, and only once. (The
  -- version before left an intent without a claim at an answered failure: that is a doubt, and no interruption.)
  v_crashed := c.intent_at IS NOT NULL AND c.claim_until IS NOT NULL;
  IF p_mode = 'recover' AND NOT v_crashed THEN
    outcome := 'busy';
    RETURN NEXT; RETURN;
  END IF;
  -- A token that the next refresh would end is out, or is about to be: it is waited for, whoever asks. What was cut off has
  -- been sent already. One that is being made is held up by itself alone; after two minutes it was cut off.
  IF NOT v_crashed THEN
    SELECT max(t.expires_at) INTO v_until FROM issued_token t WHERE t.tenant_id = p_tenant AND t.connection_id = p_connection
      AND t.exclusive AND t.generation = 0 AND t.expires_at > v_now
      AND (t.status = 'live' OR (t.status = 'issuing' AND p_mode <> 'narrow' AND t.created_at > v_now - interval '2 minutes'));
    IF v_until IS NOT NULL THEN
      outcome := 'held'; wait_ms := ceil(extract(epoch FROM least(v_until, v_now + interval '1 day') - v_now) * 1000)::int;
      RETURN NEXT; RETURN;
    END IF;
  END IF;
  -- A pasted token is only asked about then, which spends nothing.
  IF v_crashed AND c.recoveries >= 1 AND c.granted_by <> 'pasted' THEN
    UPDATE connection k SET status = 'needs_relink', cause = 'lost_in_rotation', status_since = v_now, refresh_token = NULL,
        claim_until = NULL, intent_at = NULL, next_try_at = NULL, refresh_due_at = NULL
      WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = c.token_version AND k.fence = c.fence
        AND k.claim_until = c.claim_until AND k.status IN ('linked', 'degraded', 'uncertain');
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
  IF pace.paused_until IS NOT NULL AND p_mode NOT IN ('now', 'recover') THEN
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
  -- The version is part of the claim: without it a caller that read just before a write-back claims again (RR-03). So is
  -- the claim that was seen to be over: a holder whose last look commits this late has begun (RR-02). Nothing is sent
  -- under a claim alone, so it sets no intent; one that is open stays until a recovery try is begun or somebody ends it.
  UPDATE connection k SET fence = k.fence + 1, claim_until = v_now + p_lease,
      intent_at = CASE WHEN v_crashed THEN k.intent_at END, doubt = k.doubt OR c.intent_at IS NOT NULL,
      status = CASE WHEN v_crashed THEN 'uncertain' WHEN v_revive THEN 'degraded' ELSE k.status END,
      cause = CASE WHEN v_crashed THEN NULL ELSE k.cause END,
      status_since = CASE WHEN v_revive OR v_crashed AND k.status <> 'uncertain' THEN v_now ELSE k.status_since END,
      -- Whoever dies at it leaves it to the schedule.
      revivals = k.revivals + v_revive::int, refresh_due_at = CASE WHEN v_revive THEN v_now + p_lease ELSE k.refresh_due_at END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection AND k.token_version = c.token_version AND k.fence = c.fence
      AND k.claim_until IS NOT DISTINCT FROM c.claim_until
      AND (k.status IN ('linked', 'degraded', 'uncertain') OR v_revive AND k.status = 'needs_relink' AND k.cause = c.cause)
    RETURNING k.fence INTO v_fence;
  IF NOT FOUND THEN
    outcome := 'busy';
    RETURN NEXT; RETURN;
  END IF;
  outcome := 'claimed'; fence := v_fence; refresh_token := c.refresh_token; uncertain := v_crashed;
  doubt := c.doubt OR c.intent_at IS NOT NULL; status := CASE WHEN v_crashed THEN 'uncertain' WHEN v_revive THEN 'degraded' ELSE c.status END;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.refresh_claim(text, text, int, interval, interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.refresh_claim(text, text, int, interval, interval, text) TO valetkey_app;

-- Writes a rotated pair back: by version, so that a holder that was paused past its lease, or that waited for the
-- database, heals the row. p_life: how long the access token lives from now, counted by this clock alone (H-07).
-- p_grant: how long the refresh token lives, where that is known. p_quiet: a healthy renewal in the background, which is
-- no event. p_flag: a cause to link again for, although the tokens are good (RR-10). What happens beneath a freeze is
-- stored as it is.
-- Of a pasted token: p_held is what its kind notes of it, p_mark its fingerprint, p_rotated whether its value was replaced;
-- false: that was tried and turned down, so it waits for the next day, or for whoever asks. Null: not said.
-- Answers: stored | revoked (revoke what was received) | superseded (discard silently).
CREATE OR REPLACE FUNCTION vk.refresh_store(p_tenant text, p_connection text, p_sent int, p_fence int, p_refresh text, p_access text,
    p_life interval, p_scopes text[], p_grant interval, p_keep interval, p_quiet boolean, p_flag text, p_held text, p_mark text, p_rotated boolean)
  RETURNS TABLE (outcome text, access_expires_at timestamptz) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  old public.connection%ROWTYPE;
  v_now timestamptz;
  v_rotate timestamptz;
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
  v_rotate := CASE WHEN p_rotated IS NULL THEN old.rotate_at WHEN old.rotate_days IS NULL THEN NULL
    ELSE v_now + make_interval(days => CASE WHEN p_rotated THEN old.rotate_days ELSE 1 END) END;
  UPDATE connection k SET refresh_token = p_refresh, access_token = p_access, access_expires_at = v_now + p_life,
      -- A scope that was never granted is not believed to have been won by a refresh (RFC 6749 6).
      scopes_granted = CASE WHEN p_scopes IS NULL THEN k.scopes_granted WHEN k.scopes_granted = '{}' THEN p_scopes
        ELSE ARRAY(SELECT s FROM unnest(p_scopes) s WHERE s = ANY (k.scopes_granted)) END,
      token_version = k.token_version + 1, claim_until = NULL, intent_at = NULL, doubt = false, recoveries = 0,
      next_try_at = NULL, failures = 0, last_refresh_at = v_now,
      refresh_due_at = CASE WHEN p_flag IS NULL THEN least(vk.refresh_due(k.used_at, v_now, p_life, p_keep), v_rotate,
        -- Nothing prolongs a pasted token, so its end is looked at when it comes.
        CASE WHEN k.granted_by = 'pasted' THEN v_now + p_grant END) END,
      held = coalesce(p_held, k.held), pasted_mark = coalesce(p_mark, k.pasted_mark), rotate_at = v_rotate,
      rotated_at = CASE WHEN p_rotated THEN v_now ELSE k.rotated_at END,
      grant_expires_at = CASE WHEN p_grant IS NOT NULL THEN v_now + least(p_grant, interval '3650 days') END,
      status = v_status, cause = p_flag, status_since = CASE WHEN k.status = v_status THEN k.status_since ELSE v_now END
    WHERE k.tenant_id = p_tenant AND k.id = p_connection;
  IF NOT (p_quiet AND old.status = 'linked' AND p_flag IS NULL) THEN
    PERFORM vk.refresh_event(p_tenant, p_connection, old.user_id, 'refresh.succeeded', 'ok', jsonb_build_object(
      'version', p_sent + 1, 'before', old.status, 'scheduled', p_quiet, 'flag', p_flag));
  END IF;
  IF p_rotated IS NOT NULL THEN
    PERFORM vk.refresh_event(p_tenant, p_connection, old.user_id, 'connection.rotated', CASE WHEN p_rotated THEN 'ok' ELSE 'refused' END,
      jsonb_build_object('version', p_sent + 1, 'scheduled', p_quiet, 'replaced', p_rotated));
  END IF;
  outcome := 'stored'; access_expires_at := v_now + p_life;
  RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION vk.refresh_store(text, text, int, int, text, text, interval, text[], interval, interval, boolean, text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.refresh_store(text, text, int, int, text, text, interval, text[], interval, interval, boolean, text, text, text, boolean) TO valetkey_app;
