-- Whether referrals grow as planned: referral_goal more than in as many weeks
-- before.
with referrals as (
    select *
    from intermediate.referral_outcomes
    where cut_on = $as_of and is_valid
),

period as (
    select
        coalesce(
            $referral_goal_start,
            add_days($as_of, 1 - 7 * $referral_goal_weeks)
        ) as starts_on
),

goal_period as (
    select
        starts_on,
        add_days(starts_on, 7 * $referral_goal_weeks - 1) as ends_on,
        add_days(starts_on, -7 * $referral_goal_weeks) as baseline_from,
        -- days of the period that have passed, as_of included
        least(
            greatest(days_between(starts_on, $as_of) + 1, 0),
            7 * $referral_goal_weeks
        ) as days_passed
    from period
),

keyed as (
    select 'all' as source, referred_on from referrals
    union all
    select coalesce(source, '(none)') as source, referred_on from referrals
),

sources as (
    select source from keyed
    union
    select 'all' as source
),

counted as (
    select
        keyed.source,
        count(*) filter (
            where
                keyed.referred_on >= goal_period.baseline_from
                and keyed.referred_on < goal_period.starts_on
        ) as baseline,
        count(*) filter (
            where
                keyed.referred_on >= goal_period.starts_on
                and keyed.referred_on <= goal_period.ends_on
        ) as to_date
    from keyed
    cross join goal_period
    group by keyed.source
),

goals as (
    select
        sources.source,
        goal_period.starts_on,
        goal_period.ends_on,
        goal_period.days_passed,
        coalesce(counted.baseline, 0) as baseline,
        -- as a decimal: 10 x 1.1 must not be a little more than 11
        cast(
            ceil(
                coalesce(counted.baseline, 0)
                * cast(1 + $referral_goal as decimal(9, 6))
            ) as bigint
        ) as goal,
        coalesce(counted.to_date, 0) as to_date
    from sources
    cross join goal_period
    left join counted on sources.source = counted.source
),

final as (
    select
        source,
        starts_on,
        ends_on,
        baseline,
        goal,
        to_date,
        cast(goal * days_passed as double) / (7 * $referral_goal_weeks)
            as expected_to_date,
        to_date * 7 * $referral_goal_weeks >= goal * days_passed as on_track
    from goals
)

select * from final
