-- AlterTable
ALTER TABLE "policy" ADD COLUMN     "over_life" TEXT;

-- ---------------------------------------------------------------------------------------------------------------
-- Everything below is written by hand; Prisma's diff does not see it.

ALTER TABLE policy ADD CONSTRAINT policy_over_life CHECK (over_life IN ('refuse', 'revoke_at_end'));
