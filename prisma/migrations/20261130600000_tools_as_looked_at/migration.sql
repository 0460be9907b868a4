-- A tool as it was when somebody looked at it, so that what has changed since can be shown beside it.

-- AlterTable
ALTER TABLE "mcp_tool" ADD COLUMN "reviewed_definition" JSONB;
