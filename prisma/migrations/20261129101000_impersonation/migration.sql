-- AlterTable
ALTER TABLE "policy" ADD COLUMN     "impersonation" JSONB;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE policy ADD CONSTRAINT policy_impersonation
  CHECK (impersonation IS NULL OR (level = 'provider' AND jsonb_typeof(impersonation) = 'object'));
