-- What customers did for us, judged from the facts up to each cut day: a
-- referral that converted, a promoter's score, an interaction that advocates.
with cut_days as (
    select distinct cut_on
    from intermediate.cut_days
    where purpose in ('matrix', 'kpi')
),

referrals as (
    select * from intermediate.referral_outcomes
),

survey_responses as (
    select * from intermediate.survey_responses
),

advocacy_interactions as (
    select * from intermediate.advocacy_interactions
),

identity_members as (
    select * from intermediate.identity_members
),

-- A referral is an act of advocacy at the moment when the friend buys.
converted_referrals as (
    select
        cut_on,
        referrer_id as customer_id,
        'referral' as act,
        referral_id as act_id,
        first_purchased_at as acted_at
    from referrals
    where is_converted and referrer_id is not null
),

acts as (
    select
        customer_id,
        'nps' as act,
        survey_id as act_id,
        responded_at as acted_at,
        day
    from survey_responses
    where kind = 'nps' and score >= 9
    union all
    select
        coalesce(
            identity_members.customer_id, advocacy_interactions.customer_id
        ) as customer_id,
        'interaction' as act,
        advocacy_interactions.interaction_id as act_id,
        advocacy_interactions.occurred_at as acted_at,
        advocacy_interactions.day
    from advocacy_interactions
    left join identity_members
        on advocacy_interactions.customer_id = identity_members.landed_id
    where advocacy_interactions.day <= $as_of
),

final as (
    select * from converted_referrals
    union all
    select
        cut_days.cut_on,
        acts.customer_id,
        acts.act,
        acts.act_id,
        acts.acted_at
    from cut_days
    inner join acts on cut_days.cut_on >= acts.day
)

select * from final
