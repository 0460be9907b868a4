-- Keys that rotate (V-05): a register of instance keys with a canary each, data keys that are published before they seal.

-- AlterTable. Keys that are there seal already, hence the epoch; new rows say when they begin.
ALTER TABLE "tenant_key" ADD COLUMN     "seals" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "used_from" TIMESTAMPTZ NOT NULL DEFAULT 'epoch';
-- The default is for processes of the version before, which make keys without it (H-06).
ALTER TABLE "tenant_key" ALTER COLUMN "used_from" SET DEFAULT CURRENT_TIMESTAMP;

-- CreateTable
CREATE TABLE "instance_key" (
    "id" TEXT NOT NULL,
    "canary" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "retired_at" TIMESTAMPTZ,

    CONSTRAINT "instance_key_pkey" PRIMARY KEY ("id")
);

-- By hand from here on.
GRANT SELECT, INSERT, UPDATE ON instance_key TO valetkey_app;

-- The key id that a sealed value names in its protected header (a compact JWE), or NULL where it is no such value: one
-- broken value must not stop a count. It only tells values apart; whether one opens is for its key to say.
CREATE FUNCTION vk.key_id(p_sealed text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE v_header text := translate(split_part(p_sealed, '.', 1), '-_', '+/');
BEGIN
  RETURN convert_from(decode(rpad(v_header, (length(v_header) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb ->> 'kid';
EXCEPTION WHEN others THEN
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION vk.key_id(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vk.key_id(text) TO valetkey_app;

-- The one canary so far becomes the canary of the key it was sealed with; it also stays where it was, for processes of
-- the version before (H-06).
INSERT INTO instance_key (id, canary, created_at)
  SELECT vk.key_id(i.key_canary), i.key_canary, i.created_at FROM instance i WHERE vk.key_id(i.key_canary) IS NOT NULL;
