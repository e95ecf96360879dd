-- Answers to surveys up to as_of, identities resolved.
with surveys as (
    select * from staging.surveys
),

identity_members as (
    select * from intermediate.identity_members
),

final as (
    select
        surveys.survey_id,
        coalesce(identity_members.customer_id, surveys.customer_id)
            as customer_id,
        business_day(surveys.responded_at) as day,
        surveys.responded_at,
        surveys.kind,
        surveys.score,
        surveys.reason,
        surveys.touchpoint
    from surveys
    left join identity_members
        on surveys.customer_id = identity_members.landed_id
    where
        surveys.customer_id is not null
        and business_day(surveys.responded_at) <= $as_of
)

select * from final
