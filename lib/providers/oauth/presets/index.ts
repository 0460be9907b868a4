// Written by `npm run presets:generate`.
import { Preset } from '../preset.ts'
import airtable from './airtable.json' with { type: 'json' }
import asana from './asana.json' with { type: 'json' }
import atlassian from './atlassian.json' with { type: 'json' }
import auth0 from './auth0.json' with { type: 'json' }
import authentik from './authentik.json' with { type: 'json' }
import bitbucket from './bitbucket.json' with { type: 'json' }
import box from './box.json' with { type: 'json' }
import digitalocean from './digitalocean.json' with { type: 'json' }
import discord from './discord.json' with { type: 'json' }
import dropbox from './dropbox.json' with { type: 'json' }
import figma from './figma.json' with { type: 'json' }
import githubApp from './github-app.json' with { type: 'json' }
import githubOauth from './github-oauth.json' with { type: 'json' }
import gitlab from './gitlab.json' with { type: 'json' }
import google from './google.json' with { type: 'json' }
import hubspot from './hubspot.json' with { type: 'json' }
import linear from './linear.json' with { type: 'json' }
import microsoft from './microsoft.json' with { type: 'json' }
import notion from './notion.json' with { type: 'json' }
import okta from './okta.json' with { type: 'json' }
import salesforce from './salesforce.json' with { type: 'json' }
import sentry from './sentry.json' with { type: 'json' }
import slack from './slack.json' with { type: 'json' }
import spotify from './spotify.json' with { type: 'json' }
import zitadel from './zitadel.json' with { type: 'json' }
import zoom from './zoom.json' with { type: 'json' }

/** What is known of famous servers, by name. */
export const presets: ReadonlyMap<string, Preset> = new Map(
  [
    airtable,
    asana,
    atlassian,
    auth0,
    authentik,
    bitbucket,
    box,
    digitalocean,
    discord,
    dropbox,
    figma,
    githubApp,
    githubOauth,
    gitlab,
    google,
    hubspot,
    linear,
    microsoft,
    notion,
    okta,
    salesforce,
    sentry,
    slack,
    spotify,
    zitadel,
    zoom,
  ]
    .map((file: unknown) => Preset.parse(file))
    .map((preset) => [preset.name, preset]),
)
